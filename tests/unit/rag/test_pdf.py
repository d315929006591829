"""PDFs of the kinds that lose words in one reader or another, written here byte by byte."""

from __future__ import annotations

import io
import random
import string
import zlib
from collections.abc import Mapping

import pytest
from pypdf import PdfWriter

from rag import sandbox
from rag.errors import Rejected
from rag.extract import extract

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
DESCRIPTOR = (
    b"<< /Type /FontDescriptor /FontName /Any /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0"
    b" /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>"
)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def pdf(
    content: bytes,
    font: bytes = HELVETICA,
    *,
    page: bytes = b"",
    catalog: bytes = b"",
    more: Mapping[int, bytes] | None = None,
    content_entries: bytes = b"",
) -> bytes:
    """A PDF of one page; `more` are objects from number 6."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %b >>" % catalog,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 400] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> %b >>" % page,
        4: stream(content, content_entries),
        5: font,
        **(more or {}),
    }
    out, offsets = b"%PDF-1.7\n", []
    for number, body in objects.items():
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size, start = len(objects) + 1, len(out)
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n" % (size, table)
        + (b"<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start))
    )


def composite(ordering: bytes, entries: bytes = b"") -> tuple[bytes, dict[int, bytes]]:
    """A font whose codes are glyph numbers, and what it refers to."""
    font = b"<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H %b" % entries
    return font + b" /DescendantFonts [6 0 R] >>", {
        6: b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Any /CIDSystemInfo << /Registry"
        b" (Adobe) /Ordering (%b) /Supplement 2 >> /DW 500 /FontDescriptor 7 0 R >>" % ordering,
        7: DESCRIPTOR,
    }


def glyphs(*numbers: int) -> bytes:
    return b"<%b>" % b"".join(b"%04X" % number for number in numbers)


def shown(text: str) -> bytes:
    lines = b" T* ".join(b"(%b) Tj" % line.encode("cp1252") for line in text.split("\n"))
    return b"BT /F1 12 Tf 14 TL 50 300 Td %b ET" % lines


def placed(*words: tuple[int, int, str]) -> bytes:
    each = b" ".join(b"1 0 0 1 %d %d Tm (%b) Tj" % (x, y, w.encode()) for x, y, w in words)
    return b"BT /F1 12 Tf %b ET" % each


def text_of(data: bytes) -> str:
    return "\n".join(block.text for block in extract("a.pdf", data).blocks)


def rejection(data: bytes) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        sandbox.run(extract, "a.pdf", data, seconds=20, memory_mb=1024)
    return rejected.value


def protected(user_password: str, algorithm: str) -> bytes:
    writer = PdfWriter(clone_from=io.BytesIO(pdf(shown("For all to read."))))
    writer.encrypt(user_password, "owner", algorithm=algorithm)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_words_that_only_their_places_part_are_parted() -> None:
    words = placed((50, 300, "The"), (73, 300, "pump"), (108, 300, "starts"), (143, 300, "at"))
    assert text_of(pdf(words)) == "The pump starts at"


def test_words_that_only_kerning_parts_are_parted() -> None:
    word = b"The pump starts".replace(b" ", b"")
    letters = sorted(set(word))
    cmap = b"/CIDInit /ProcSet findresource begin begincmap\n1 begincodespacerange\n<0000> <ffff>\n"
    cmap += b"endcodespacerange\n%d beginbfchar\n" % len(letters)
    cmap += b"".join(b"<%04x> <%04x>\n" % (25 + at, code) for at, code in enumerate(letters))
    font, more = composite(b"Identity", b"/ToUnicode 8 0 R")
    parts = b"-333".join(
        glyphs(*(25 + letters.index(code) for code in part)) for part in (b"The", b"pump")
    )
    data = pdf(
        b"BT /F1 12 Tf 50 300 Td [%b] TJ ET" % parts,
        font,
        more={**more, 8: stream(cmap + b"endbfchar\nendcmap\nend")},
    )
    assert text_of(data) == "The pump"


def test_a_table_is_read_row_by_row_however_it_was_painted() -> None:
    cells = [(300, 300, "37,499.96"), (200, 300, "DIRECTOR"), (50, 300, "BAIN, J")]
    below = [(300, 280, "21,000.00"), (200, 280, "CLERK"), (50, 280, "SMITH, A")]
    found = text_of(pdf(placed(*cells, *below)))
    assert found.split() == [
        word for cell in (*cells[::-1], *below[::-1]) for word in cell[2].split()
    ]


LEFT = ["The calibra-", "tion of the", "thermo-", "couple lasts", "nine days,", "and the in-"]
LEFT += ["spection lasts", "a week."]
RIGHT = ["Nobody is al-", "lowed to open", "the pres-", "sure vessel", "before the", "tempe-"]
RIGHT += ["rature falls", "to forty."]


def test_columns_are_read_one_after_the_other_although_they_were_painted_line_by_line() -> None:
    lines = [(50, 380, "Maintenance of the pump and of all its parts")]
    for at, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
        lines += [(50, 350 - 14 * at, left), (180, 350 - 14 * at, right)]
    assert " ".join(text_of(pdf(placed(*lines))).split()) == (
        "Maintenance of the pump and of all its parts "
        "The calibration of the thermocouple lasts nine days, and the inspection lasts a week. "
        "Nobody is allowed to open the pressure vessel before the temperature falls to forty."
    )


def test_words_divided_at_the_end_of_a_line_are_whole() -> None:
    text = "The calibra-\ntion of the well-known thermo-\ncouple is a well-\nknown matter."
    assert text_of(pdf(shown(text))) == (
        "The calibration of the well-known thermocouple is a well-known matter."
    )


def spaced(text: str, gap: int, between_words: int) -> bytes:
    words = (
        b"".join(b"(%c) %d " % (code, -gap) for code in word.encode()) for word in text.split()
    )
    return b"BT /F1 12 Tf 50 300 Td [%b] TJ ET" % (b"%d " % (gap - between_words)).join(words)


@pytest.mark.parametrize(("gap", "between_words"), [(200, 500), (300, 600), (500, 1000)])
def test_letters_with_wide_spaces_are_words(gap: int, between_words: int) -> None:
    text = "Operating manual of the pump"
    assert text_of(pdf(spaced(text, gap, between_words))) == text


def test_letters_in_the_cells_of_a_table_are_no_word() -> None:
    cells = placed(*((50 + 40 * at, 300, letter) for at, letter in enumerate("ABCDEF")))
    assert text_of(pdf(cells)) == "A B C D E F"
    assert text_of(pdf(spaced("01101", 300, 600))) == "0 1 1 0 1"


def test_vowel_points_that_stand_apart_are_no_text() -> None:
    torn = "\ufeff\u05d1\u05b0 \u05e8 \u05b5 \u05d0 \u05b4 \u05d1".encode("utf-16-be").hex()
    note = f"<< /Type /Annot /Subtype /FreeText /Contents <{torn}> /P 3 0 R /Rect [9 9 99 99] >>"
    data = pdf(shown("In Hebrew"), page=b"/Annots [6 0 R]", more={6: note.encode()})
    refused = rejection(data)
    assert (refused.reason, "vowel points" in refused.message) == ("no_text", True)


def test_accents_that_were_painted_apart_are_part_of_their_letter() -> None:
    assert text_of(pdf(shown("Un art\u00b4\u0131culo".replace("\u0131", "i")))) == "Un artículo"


def test_japanese_without_a_unicode_map_is_read_by_its_collection() -> None:
    font, more = composite(b"Japan1")
    content = b"BT /F1 20 Tf 50 300 Td %b Tj ET" % glyphs(843, 845, 847, 849, 851)
    assert text_of(pdf(content, font, more=more)) == "あいうえお"


def test_what_forms_and_notes_show_is_read() -> None:
    value = stream(
        b"BT /F1 12 Tf 2 4 Td (ZX-81) Tj ET",
        b"/Type /XObject /Subtype /Form /BBox [0 0 180 18] /Resources << /Font << /F1 5 0 R >> >>",
    )
    data = pdf(
        shown("Serial number:"),
        page=b"/Annots [7 0 R 8 0 R 9 0 R]",
        catalog=b"/AcroForm << /Fields [7 0 R] >>",
        more={
            6: value,
            7: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (serial) /V (ZX-81) /F 4 /P 3 0 R"
            b" /Rect [220 296 400 314] /AP << /N 6 0 R >> >>",
            8: b"<< /Type /Annot /Subtype /FreeText /Contents (Check the valve.) /P 3 0 R"
            b" /Rect [50 100 200 120] /DA (/Helv 12 Tf) >>",
            9: b"<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /Contents (not shown) /P 3 0 R >>",
        },
    )
    assert " ".join(text_of(data).split()) == "Serial number: ZX-81 Check the valve."


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_password_is_in_the_way_only_if_readers_need_it(algorithm: str) -> None:
    assert text_of(protected("", algorithm)) == "For all to read."
    refused = rejection(protected("secret", algorithm))
    assert (refused.reason, "password" in refused.message) == ("encrypted", True)


def test_glyphs_without_a_meaning_are_no_text() -> None:
    font, more = composite(b"Identity")
    content = b"BT /F1 12 Tf 50 300 Td %b Tj ET" % glyphs(*range(36, 90))
    refused = rejection(pdf(content, font, more=more))
    assert refused.reason == "no_text"
    assert "fonts carry no text" in refused.message


def test_letters_that_make_no_words_are_no_text() -> None:
    shuffled = str.maketrans(string.ascii_lowercase, string.ascii_lowercase[13:] + "abcdefghijklm")
    text = ("the pump starts at twelve bar and stops when the pressure falls\n" * 20).strip()
    assert text_of(pdf(shown(text)))
    refused = rejection(pdf(shown(text.translate(shuffled))))
    assert (refused.reason, "make no words" in refused.message) == ("no_text", True)


def test_a_scan_is_called_a_scan() -> None:
    pixels = random.Random(1).randbytes(64)
    image = stream(
        pixels,
        b"/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray"
        b" /BitsPerComponent 8",
    )
    assert rejection(pdf(b"q 600 0 0 400 0 0 cm /X1 Do Q", more={6: image})).reason == "scanned"


def test_a_page_that_unpacks_to_gigabytes_is_refused() -> None:
    bomb = zlib.compress(b"\0" * 200_000_000, 9)
    data = pdf(bomb, content_entries=b"/Filter /FlateDecode")
    assert rejection(data).reason in ("too_complex", "no_text")
