"""One Unicode form for everything that is compared: documents, names, questions, filters.

The same word can be written in many ways that look alike: composed or not, with a ligature, in
full width, with a soft hyphen or an invisible mark inside. `normal` makes them one. It is not
NFKC, which would turn "10²" into 102 and "①" into 1: characters with another meaning stay as they
are.

The script classes follow Unicode Standard Annex 29 as far as words need them. In a script without
spaces, words cannot be found without a dictionary, so pairs of characters are used instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_FOLDED = frozenset(
    {
        "<compat>",
        "<final>",
        "<font>",
        "<initial>",
        "<isolated>",
        "<medial>",
        "<narrow>",
        "<noBreak>",
        "<square>",
        "<vertical>",
        "<wide>",
    }
)
"""Unicode's compatibility mappings that change only the look. Not here: super- and subscripts,
fractions, circles."""

_SPELLED = {
    0x0085: "\n",
    0x2028: "\n",
    0x2029: "\n\n",
    0x2010: "-",  # HYPHEN, which no keyboard has
    0x2011: "-",  # its form that does not break
    0x2212: "-",  # MINUS SIGN: with it, too, a number is negative
}
_IGNORABLE = (
    range(0x115F, 0x1161),  # fillers for letters of Hangul that are not there
    range(0x17B4, 0x17B6),  # Khmer vowels that nobody writes
    range(0x3164, 0x3165),
    range(0xFE00, 0xFE10),  # variants of symbols
    range(0xFFA0, 0xFFA1),
    range(0xFFF0, 0xFFF9),
    range(0x2065, 0x2066),
    range(0xE0000, 0xE1000),  # hidden tags, variants of Chinese characters
)
"""Unicode's Default_Ignorable_Code_Point beyond the category Cf: characters that show nothing."""
# These spell after letters of Arabic, India and Mongolia, and zero width joiners build emoji.
# Anywhere else, and in a row, they can only hide something.
_JOINER = "\u200c\u200d\u180b-\u180d\u180f"
_JOINED = "\u0600-\u0dff\u1000-\u109f\u1780-\u18af\u1b00-\u1bff\ua840-\ua87f"
_EMOJI = "\u2100-\u2bff\U0001f000-\U0001faff"
_JOINERS = re.compile(
    rf"(?<=[{_JOINED}])(?<![{_JOINER}])[{_JOINER}](?![{_JOINER}])"
    rf"|(?<=[{_EMOJI}])\u200d(?=[{_EMOJI}])"
    rf"|(?P<idle>[{_JOINER}])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_APOSTROPHE = re.compile(r"(?<=\w)[\u2018\u2019\u02bc](?=\w)")
_CAPITALIZED = re.compile(r"[^\W\d_]+")

_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\uac00-\ud7af"  # Korean, whose spaces do not part a word from its endings
)
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
_INDIC = "\u0900-\u0963\u0966-\u0dff"  # letters and vowel signs, which Python's \w leaves out
_WORD = re.compile(
    rf"(?P<unspaced>[{_UNSPACED}]+)"
    r"|(?<![\w.,])-?\d+(?:[.,]\d+)*(?!\w)"
    rf"|(?:[^\W{_UNSPACED}]|[{_MARKS}{_INDIC}])+"
)


_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[_.-][A-Za-z0-9]+)*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class _Mapping(dict[int, str]):
    """What each character becomes, worked out when it first comes."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _mapped(chr(code))
        return found


def _mapped(character: str) -> str:
    code = ord(character)
    if (spelled := _SPELLED.get(code)) is not None:
        return spelled
    if _is_invisible(character):
        return ""
    category = unicodedata.category(character)
    tag = unicodedata.decomposition(character).partition(" ")[0]
    if tag not in _FOLDED or category == "No" or 0x3130 <= code < 0x3190:
        return character  # numbers in circles and brackets; single Hangul letters
    folded = unicodedata.normalize("NFKC", character)
    digits = category != "Nd" and any(map(str.isdigit, folded))
    # A single accent would become a space and an accent.
    return character if digits or (folded[0] == " " and len(folded) > 1) else folded


def _is_invisible(character: str) -> bool:
    """Whether a character shows nothing and spells nothing: the joiners are not among these."""
    code = ord(character)
    if unicodedata.category(character) == "Cf":
        return code not in (0x200C, 0x200D)  # soft hyphen, zero width space, direction, tags
    return code == 0x034F or any(code in each for each in _IGNORABLE)


_MAPPING = _Mapping()


def normal(text: str) -> str:
    """Return a text in the one form that is stored, searched and compared.

    The form is NFC, without invisible characters; ligatures, full and half width, styled
    letters, special spaces and hyphens become the plain ones. What differs in meaning stays
    different: "10²" and "102", "①" and "1". `normal(normal(text)) == normal(text)`.
    """
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFC", _joined(text.translate(_MAPPING)))
    return _APOSTROPHE.sub("'", plain)


def visible(text: str) -> str:
    """Return a text as it is, without what nobody sees: hidden characters and controls.

    Otherwise people and models would read different texts. Joiners stay where scripts and emoji
    need them.
    """
    text = _CONTROL.sub("", text)
    if text.isascii():
        return text
    return _joined("".join(each for each in text if not _is_invisible(each)))


def _joined(text: str) -> str:
    """Return a text without the joiners that join nothing."""
    return _JOINERS.sub(lambda match: "" if match["idle"] else match[0], text)


def key(text: str) -> str:
    """Return a form that is equal for texts that differ only in spacing, case or Unicode form.

    Units and names can differ only in capitals ("MW" and "mW"). So capitals are ignored only at the
    beginning of a word, or in a text of capitals only.
    """

    def uncapitalized(match: re.Match[str]) -> str:
        word = match[0]
        return word.casefold() if word[1:].islower() or len(word) == 1 else word

    spaced = " ".join(normal(text).split())
    if spaced.isupper():
        spaced = spaced.casefold()
    return _CAPITALIZED.sub(uncapitalized, spaced).strip("¿¡?!.。؟।… ")


def words(text: str) -> list[str]:
    """Return the words of a text, in order, in lower case and normal form.

    A script without spaces gives overlapping pairs of characters. A number keeps its sign, its
    decimal point and its separators. An apostrophe parts words: "l'énergie" holds "énergie".
    """
    return list(_words(normal(text).casefold()))


def parts(text: str) -> str:
    """Return the parts of the identifiers in a text, each once: of ``NoCapacityInvocations`` three.

    So an identifier is also found by its words, without its exact spelling.
    """
    found = (_PART.findall(name) for name in _IDENTIFIER.findall(normal(text)))
    return " ".join(dict.fromkeys(part for each in found if len(each) > 1 for part in each))


def stem(word: str) -> str:
    """Return a common stem of a word's forms, in languages that change word endings."""
    return word[:5] if len(word) > 5 else word.removesuffix("s")


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word, unspaced = match[0], match["unspaced"]
        if unspaced is None:
            yield word
        elif len(unspaced) == 1:
            yield unspaced
        else:
            yield from (unspaced[at : at + 2] for at in range(len(unspaced) - 1))
