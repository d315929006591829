"""PDF: the text of each page as PDFium reads it, checked before it is believed.

PDFium is the engine of the Chromium browsers. What a page shows counts: values of forms and notes
are part of it. Letters that a font cannot explain are counted, and a document that has too many of
them is rejected instead of indexed as noise.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract.layout import Word, in_columns, unspaced
from rag.extract.outline import LONGEST_HEADING

_MAX_PAGES = 2_000
_MAX_CHARACTERS = 5_000_000
_DEEPEST_HEADING = 5

_MOST_UNEXPLAINED = 0.05
"""Share of a document's letters without a known meaning. Papers full of formulas have up to 3 %."""

_MOST_TORN = 0.05
"""Share of words that begin with a mark of the letter before: no word does."""

_MOST_PICTURES = 0.9
"""Share of pages without a letter but with a picture, from which on a document is a scan."""

_LEAST_VOWELS = 0.26
"""Share of vowels in Latin words: 0.34 to 0.5 in any language, 0.14 to 0.21 in shifted letters."""

_NOTES = (raw.FPDF_ANNOT_TEXT, raw.FPDF_ANNOT_FREETEXT)

# PDFium writes U+FFFE (older versions U+0002) where a hyphen ends a line.
_LINE_HYPHEN = re.compile(r"([^\W\d_]+)(?:[\ufffe\x02]\s*|[-\u00ad\u2010]\n)(?=([^\W\d_]+))")
_BROKEN = re.compile(r"[^\W\d_]{2,}- [^\W\d_]")
_MOST_BROKEN = 2
"""Words on a page that a hyphen parts in the middle of a line, above which it may have columns."""
_SPACED = re.compile(r"(?<!\S)(?:[^\W\d_] ){4,}[^\W\d_](?!\S)")
_PLACED = re.compile(r"[^\s\ufffe\x02]+[\ufffe\x02]?")
_HYPHENATED = re.compile(r"[^\W\d_]+[-\u2010][^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_WORD = re.compile(r"\b[a-z\u00df-\u024f]{3,}\b")
_VOWEL = re.compile(r"[aeiou]")

# TeX's old fonts have an accent as a glyph of its own, painted before its letter.
_ACCENTS = {
    "`": "\u0300",
    "\u00b4": "\u0301",
    "\u02c6": "\u0302",
    "\u02dc": "\u0303",
    "\u00a8": "\u0308",
    "\u02da": "\u030a",
    "\u02d8": "\u0306",
    "\u02c7": "\u030c",
    "\u02dd": "\u030b",
    "\u02d9": "\u0307",
    "\u00af": "\u0304",
}
_ACCENTED = re.compile(rf"([{''.join(_ACCENTS)}]) ?([A-Za-z\u0131\u0237])")
_DOTLESS = {"\u0131": "i", "\u0237": "j"}


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (from the metadata) and one block per page. Raises `Rejected`."""
    try:
        with pdfium.PdfDocument(data) as document:
            return _read(document)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise Rejected("encrypted", "needs a password; save it without one") from error
        if getattr(error, "err_code", None) == raw.FPDF_ERR_SECURITY:
            raise Rejected("encrypted", "encrypted in a way that no reader here knows") from error
        raise Rejected("malformed", f"not a readable PDF: {error}") from error


def _read(document: pdfium.PdfDocument) -> tuple[str, list[Block]]:
    if len(document) > _MAX_PAGES:
        raise Rejected("too_complex", f"more than {_MAX_PAGES} pages; split the document")
    if document.get_formtype() == raw.FORMTYPE_XFA_FULL:
        raise Rejected("no_text", "an XFA form, which only Adobe shows; print it to a PDF")
    document.init_forms()
    pages: list[str] = []
    letters = unexplained = pictures = 0
    for number in range(len(document)):
        text, count, unknown, has_picture = _page(document, number)
        letters, unexplained = letters + count, unexplained + unknown
        pictures += has_picture and not count
        pages.append(text)
        if letters > _MAX_CHARACTERS:
            raise Rejected("too_complex", f"more than {_MAX_CHARACTERS} characters")
    if pictures and pictures >= _MOST_PICTURES * len(pages):
        raise Rejected("scanned", "its pages are pictures; run text recognition (OCR) first")
    if unexplained > _MOST_UNEXPLAINED * letters:
        share = unexplained / letters
        raise Rejected(
            "no_text",
            f"its fonts carry no text: {share:.0%} of the letters have no known meaning; export it "
            "again with Unicode fonts, or run text recognition (OCR)",
        )
    pages = _whole_words(pages)
    if _torn(pages) > _MOST_TORN:
        raise Rejected(
            "no_text",
            "its fonts carry no text: vowel points stand apart from their letters; export it again "
            "with Unicode fonts, or run text recognition (OCR)",
        )
    if not _is_language("\n".join(pages)):
        raise Rejected(
            "no_text",
            "its fonts carry no text: the letters make no words; export it again with Unicode "
            "fonts, or run text recognition (OCR)",
        )
    headings = _headings(document)
    blocks: list[Block] = []
    open_headings: tuple[str, ...] = ()
    for number, text in enumerate(pages):
        open_headings = headings.get(number, open_headings)
        blocks.append(Block((*open_headings, f"Page {number + 1}"), text))
    return document.get_metadata_value("Title"), blocks


def _page(document: pdfium.PdfDocument, number: int) -> tuple[str, int, int, bool]:
    """Text, number of letters, of those that no font explains, and whether there is a picture."""
    page = document[number]
    notes = list(_notes(page))
    # Makes what annotations and forms show a part of the page; it has to be loaded again then.
    if raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS:
        page.close()
        page = document[number]
    content = page.get_textpage()
    text = content.get_text_range()
    # A word that is parted in the middle of a line ended a line of its column.
    if len(_BROKEN.findall(text)) > _MOST_BROKEN:
        text = in_columns(list(_words(content, text))) or text
    else:
        text = _SPACED.sub(lambda run: unspaced(list(_words(content, text, *run.span()))), text)
    text = text.replace("\r\n", "\n")
    seen = [
        index
        for index in range(content.count_chars())
        if raw.FPDFText_GetUnicode(content, index) not in (0x20, 0x0D, 0x0A)
    ]
    unknown = sum(raw.FPDFText_HasUnicodeMapError(content, index) == 1 for index in seen)
    has_picture = not seen and any(
        raw.FPDFPageObj_GetType(item) == raw.FPDF_PAGEOBJ_IMAGE for item in page.get_objects()
    )
    content.close()
    page.close()
    text = _ACCENTED.sub(_accented, text)
    text = "\n".join([text, *(note for note in notes if note not in text)])
    return text, len(seen), unknown, has_picture


def _words(
    content: pdfium.PdfTextPage, text: str, start: int = 0, end: int | None = None
) -> Iterator[Word]:
    """Find each word's place by its first and its last letter."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))

    def box(position: int) -> tuple[float, float, float, float]:
        index = raw.FPDFText_GetCharIndexFromTextIndex(content, position)
        raw.FPDFText_GetCharBox(content, index, left, right, bottom, top)
        return left.value, right.value, bottom.value, top.value

    for found in _PLACED.finditer(text, start, len(text) if end is None else end):
        word = found[0]
        ends = [box(found.start()), box(found.start() + len(word.rstrip("\ufffe\x02")) - 1)]
        yield Word(
            word,
            min(end[0] for end in ends),
            max(end[1] for end in ends),
            min(end[2] for end in ends),
            max(end[3] for end in ends),
        )


def _notes(page: pdfium.PdfPage) -> Iterator[str]:
    """Find the text of notes, of which PDFium draws only those that bring a picture of it."""
    for index in range(raw.FPDFPage_GetAnnotCount(page)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        if raw.FPDFAnnot_GetSubtype(annotation) in _NOTES:
            size = raw.FPDFAnnot_GetStringValue(annotation, b"Contents", None, 0)
            buffer = ctypes.create_string_buffer(size)
            target = ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR))
            raw.FPDFAnnot_GetStringValue(annotation, b"Contents", target, size)
            yield buffer.raw[:-2].decode("utf-16-le", "replace").replace("\r", "\n")
        raw.FPDFPage_CloseAnnot(annotation)


def _accented(found: re.Match[str]) -> str:
    letter = _DOTLESS.get(found[2], found[2])
    composed = unicodedata.normalize("NFC", letter + _ACCENTS[found[1]])
    return composed if len(composed) == 1 else found[0]


def _whole_words(pages: list[str]) -> list[str]:
    """Join what a line's end divided; a hyphen stays where the document writes it elsewhere."""
    everything = "\n".join(pages)
    words = Counter(_WORD.findall(everything.casefold()))
    hyphenated = Counter(_HYPHENATED.findall(everything.casefold()))

    def joined(found: re.Match[str]) -> str:
        first, second = found[1], found[2]
        whole, parted = f"{first}{second}".casefold(), f"{first}-{second}".casefold()
        is_compound = hyphenated[parted] > words[whole] or second[0].isupper()
        return f"{first}-" if is_compound else first

    return [_LINE_HYPHEN.sub(joined, page) for page in pages]


def _torn(pages: list[str]) -> float:
    """Return the share of words that begin with a mark, such as a vowel point of Hebrew."""
    words = [word for page in pages for word in page.split()]
    return sum(unicodedata.category(word[0]) == "Mn" for word in words) / max(1, len(words))


def _is_language(text: str) -> bool:
    """Whether Latin words look like those of any language; other scripts are believed."""
    words = _LATIN_WORD.findall(text)
    letters = unicodedata.normalize("NFD", "".join(words))
    return len(words) < 50 or len(_VOWEL.findall(letters)) >= _LEAST_VOWELS * len(letters)


def _headings(document: pdfium.PdfDocument) -> dict[int, tuple[str, ...]]:
    """Find the last outline entry's path on each page where one begins."""
    found: dict[int, tuple[str, ...]] = {}
    path: tuple[str, ...] = ()
    for entry in document.get_toc(max_depth=_DEEPEST_HEADING):
        title = " ".join(entry.get_title().split())[:LONGEST_HEADING]
        path = (*path[: entry.level], title)
        destination = entry.get_dest()
        page = destination.get_index() if destination else None
        if page is not None:
            found[page] = path
    return found
