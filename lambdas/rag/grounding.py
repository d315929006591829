"""Whether the passages that an answer cites contain it.

Judged by words alone, so that it costs nothing and can be repeated. It does not understand: a
sentence that twists the words of its passage counts as grounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag import unicode_text
from rag.languages import FUNCTION_WORDS, language_of, refuses

LEAST = 0.6
"""Share below which an answer is not presented as one. `python -m benchmarks answers` prints what
other shares would do on the golden questions."""

_CITATION = re.compile(r"\[\d+(?:\s*[,;]\s*\d+)*\]")
_LIST_NUMBER = re.compile(r"^\s*\d{1,2}[.)](?=\s)", re.MULTILINE)
_UNIT = re.compile(r"(?<![\w.,])(\d+(?:[.,]\d+)*)(?=[^\W\d_]+\b)")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")
_HIRAGANA = re.compile("[\u3040-\u309f]+")
_NAME = re.compile(r"\w*(?:[^\W\d_]\d|\d[^\W\d_]|[a-z][A-Z]|_)\w*|[A-Z]{2,}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s|[\u3002\uff01\uff1f\n]")


def grounded(answer: str, question: str, evidence: Sequence[str]) -> float:
    """Return the share of an answer's own words and numbers that the evidence contains.

    It is the smaller of the two shares, 0 to 1. Words of the question and words that claim
    nothing do not count; words are compared by their stems, numbers by their value. An answer in
    another language than its evidence is judged by what languages write alike: numbers and
    identifiers. With nothing to judge by, it is 1 if there is evidence.
    """
    if not evidence:
        return 0.0
    said, held = _CITATION.sub(" ", _LIST_NUMBER.sub("", answer)), "\n".join(evidence)
    languages = {language_of(said), language_of(held)}
    if None not in languages and len(languages) > 1:
        said = " ".join(_NAME.findall(said) + _NUMBER.findall(said))
    own_words, own_numbers = _claims(said)
    asked_words, asked_numbers = _claims(question)
    held_words, held_numbers = _claims(held)
    return min(
        _share(own_words - asked_words, held_words),
        _share(own_numbers - asked_numbers, held_numbers),
    )


def is_refusal(answer: str) -> bool:
    """Whether an answer begins with a refusal, in any known language."""
    sentences = _SENTENCE_END.split(_CITATION.sub("", answer).strip())
    return refuses(sentences[0])


def _claims(text: str) -> tuple[set[str], set[str]]:
    """Return the stems of the words that claim something, and the numbers by their value."""
    words, numbers = set(), set()
    for word in unicode_text.words(_UNIT.sub(r"\1 ", unicode_text.normal(text))):
        if _NUMBER.fullmatch(word):
            numbers.add(_value(word))
        elif len(word) > 1 and word not in FUNCTION_WORDS and not _HIRAGANA.fullmatch(word):
            words.add(unicode_text.stem(word))
    return words, numbers


def _value(number: str) -> str:
    """Return one spelling for all of a number's: without separators and idle zeros."""
    if _THOUSANDS.fullmatch(number.lstrip("-")):
        return re.sub("[.,]", "", number)
    *whole, last = re.split("[.,]", number)
    if not whole:
        return str(int(last))
    if len(whole) > 1 and "-" not in number and len(set(re.findall("[.,]", number))) == 1:
        return number  # a version, a date
    fraction = last.rstrip("0")
    integer = str(int("".join(whole)))
    return f"{integer}.{fraction}" if fraction else integer


def _share(own: set[str], held: set[str]) -> float:
    return len(own & held) / len(own) if own else 1.0
