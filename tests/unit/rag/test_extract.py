from __future__ import annotations

import io
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from rag import sandbox, unicode_text
from rag.errors import Rejected
from rag.extract import extract
from rag.reading import read_bytes

LINES = st.text("abc `#*-|>~[]()=_.!&<é", max_size=30)


def blocks(document: str, content: str) -> list[tuple[str, str]]:
    found = extract(document, content.encode()).blocks
    return [(" > ".join(block.headings), block.text) for block in found]


ENOUGH = 512  # MB, as deployed


def rejection(document: str, content: bytes) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        sandbox.run(read_bytes, document, content, 200, 0, seconds=10, memory_mb=ENOUGH)
    return rejected.value


def page(content: bytes) -> bytes:
    """A PDF of one page with this content stream."""
    writer = PdfWriter()
    made = writer.add_blank_page(width=200, height=200)
    stream = DecodedStreamObject()
    stream.set_data(content)
    made[NameObject("/Contents")] = writer._add_object(stream)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    made[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    return written(writer)


def written(writer: PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def shown(text: str) -> bytes:
    return b"BT /F1 12 Tf 10 100 Td (" + text.encode() + b") Tj ET"


@given(st.lists(LINES, min_size=1, max_size=12))
def test_no_word_of_markdown_is_lost(lines: list[str]) -> None:
    text = "\n".join(["Start.", "", *lines])
    found = extract("a.md", text.encode())
    kept = " ".join(word for block in found.blocks for word in (*block.headings, block.text))
    for word in re.findall(r"[abcé]{2,}", text):
        assert word in kept


def test_markdown_sections_tables_and_code() -> None:
    text = (
        "---\ntitle: 'Named'\n---\nIntro.\n\n# One\n\n## Sub `code`\n\nText\nmore.\n\n"
        "```sh\n# no heading\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\nTwo\n===\n\n- item\n"
        "- item\n\n# Bare\n"
    )
    assert extract("a.md", text.encode()).title == "Named"
    assert blocks("a.md", text) == [
        ("", "Intro."),
        ("One > Sub code", "Text\nmore."),
        ("One > Sub code", "```sh\n# no heading\n```"),
        ("One > Sub code", "| a | b |\n| - | - |\n| 1 | 2 |"),
        ("Two", "- item\n- item"),
        ("Bare", "Bare"),
    ]


def test_html_is_what_a_reader_sees() -> None:
    text = """<html><head><title>T</title><style>css</style></head><body><nav>menu</nav>
    <h1>Head <em>line</em></h1>loose<p>One<br>two <b>bold</b>.</p><p hidden>h1dden</p>
    <div style="display: NONE">h1dden</div><script>h1dden</script><!-- h1dden -->
    <h2>Sub</h2><ul><li>first</li><li><p>second</p></li></ul><pre>x = 1
      y</pre><table><caption>Cap</caption><tr><th>a</th><th>b</th></tr>
    <tr><td>1</td><td><p>2</p></td></tr></table><footer>foot</footer></body></html>"""
    assert extract("a.html", text.encode()).title == "Head line"
    assert blocks("a.html", text) == [
        ("Head line", "loose"),
        ("Head line", "One\ntwo bold."),
        ("Head line > Sub", "- first"),
        ("Head line > Sub", "second"),
        ("Head line > Sub", "```\nx = 1\n      y\n```"),
        ("Head line > Sub", "Cap"),
        ("Head line > Sub", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
    ]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<meta charset=utf-8><title>T</title><h1>T</h1><p>One.<p>Two.", ["One.", "Two."]),
        ("<html><head><title>T</title><body><p>One.</body>", ["One."]),
        ("<h1>T</h1><div hidden>no<p>no</div><p>One.", ["One."]),
        ("<p>The pu\0mp", ["The pump"]),
        ("<article>One.<footer>Two.</footer></article><footer>no</footer>", ["One.", "Two."]),
        ("<p>10<sup>2</sup> H<sub>2</sub>O 5<sup>th</sup>", ["10\u00b2 H2O 5th"]),
        ("<p><ruby>\u5727<rt>\u3042</rt></ruby> <img alt='A pump.'>", ["\u5727(\u3042) A pump."]),
        (
            "<table><tr><th rowspan=2>Size<th colspan=2>bar<tr><th>min<th>max<tr><td>S<td>3<td>"
            "</table>",
            ["| Size | bar |  |\n| --- | --- | --- |\n|  | min | max |\n| S | 3 |  |"],
        ),
        ("<table><tr><td><table><tr><td>a<td>b</table>", ["| a | b |"]),
    ],
)
def test_html_is_parsed_as_browsers_do(page: str, expected: list[str]) -> None:
    found = extract("a.html", page.encode())
    assert [block.text for block in found.blocks] == expected


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("iso-8859-1", "cp1252", "Don\u2019t pay \u20ac 40"),
        ("gb2312", "gb18030", "朱镕基说"),
        ("shift_jis", "cp932", "①圧力㈱"),
        ("x-sjis", "cp932", "ポンプ"),
        ("klingon", "cp1252", "It costs £ 40"),
        ("", "cp1252", "It costs £ 40"),
        ("", "cp932", "ポンプの圧力は"),
        ("", "utf-16-le", "It costs \u20ac 40"),
    ],
)
def test_encodings_are_those_of_the_web(declared: str, encoding: str, text: str) -> None:
    page = f"<meta charset='{declared}'><p>{text}" if declared else f"<p>{text}"
    expected = unicode_text.normal(text)
    assert extract("a.html", page.encode(encoding)).blocks[0].text == expected
    if not declared:
        assert extract("a.txt", text.encode(encoding)).blocks[0].text == expected


def test_a_bad_byte_does_not_cost_the_page() -> None:
    page = "<meta charset=utf-8><p>Ein größeres".encode() + b"\xff Rad."
    assert extract("a.html", page).blocks[0].text == "Ein größeres\ufffd Rad."


@pytest.mark.parametrize(
    ("text", "title", "sections"),
    [
        ("---\n\n# A\n\nOne.\n\n---\n\n## B\n\nTwo.", "A", ["A", "A > B"]),
        ("---\ntitle: P\n...\n\n# A\n\nOne.", "P", ["A"]),
        ("---  \ntitle: P: the pump\n---  \n# A\n\nOne.", "P: the pump", ["A"]),
        ("\n---\ntitle: P\n---\n# A\n\nOne.", "P", ["A"]),
        ("---\n---\n# A\n\nOne.\n\n---\n", "A", ["A"]),
        ('+++\ntitle = "P"\n+++\n# A\n\nOne.', "P", ["A"]),
        ('<h1 align="center">A</h1>\n\nOne.\n\n## B\n\nTwo.', "A", ["A", "A > B"]),
        ('# <a name="top"></a>A\n\nOne. <!-- no -->\n\n<!--\nno\n-->\n', "A", ["A"]),
    ],
)
def test_front_matter_and_html_in_markdown(text: str, title: str, sections: list[str]) -> None:
    found = extract("a.md", text.encode())
    assert found.title == title
    assert [" > ".join(block.headings) for block in found.blocks] == sections
    assert {block.text.strip() for block in found.blocks} <= {"One.", "Two."}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A\n\n~~~\n## no\n~~~\n", [("A", "~~~\n## no\n~~~")]),
        ("# A\n\n    # no\n", [("A", "    # no")]),
        ("# A\n\n1. x\n   ```\n   # no\n   ```\n", [("A", "1. x\n   ```\n   # no\n   ```")]),
        ("# A\n\n> # no\n> x\n", [("A", "> # no\n> x")]),
        ("# A\n\nx[^1]\n\n[^1]: Note.\n", [("A", "x[^1]"), ("A", "[^1]: Note.")]),
        ("#A\n\nx\n", [("", "#A"), ("", "x")]),
        ("\ufeff# A\r\n\r\nx\r\ny\r\n", [("A", "x\ny")]),
    ],
)
def test_only_headings_of_markdown_are_headings(text: str, expected: list[tuple[str, str]]) -> None:
    assert blocks("a.md", text) == expected


def test_declared_encodings_and_byte_order_marks_are_honoured() -> None:
    html = '<meta charset="iso-8859-1"><p>Zürich'.encode("latin-1")
    assert extract("a.html", html).blocks[0].text == "Zürich"
    assert extract("a.txt", "Zürich".encode("utf-16")).blocks[0].text == "Zürich"
    assert extract("a.md", b"\xef\xbb\xbf# Z\xc3\xbcrich\n\nx").title == "Zürich"


def test_pdf_pages_stand_under_their_outline() -> None:
    writer = PdfWriter()
    for number in range(3):
        writer.append(io.BytesIO(page(shown(f"Text of page {number + 1}."))))
    chapter = writer.add_outline_item(title="Chapter", page_number=1)
    writer.add_outline_item(title="Part", page_number=2, parent=chapter)
    writer.add_metadata({"/Title": "Report"})
    found = extract("a.pdf", written(writer))
    assert found.title == "Report"
    assert [(" > ".join(block.headings), block.text) for block in found.blocks] == [
        ("Page 1", "Text of page 1."),
        ("Chapter > Page 2", "Text of page 2."),
        ("Chapter > Part > Page 3", "Text of page 3."),
    ]


@pytest.mark.parametrize(
    ("document", "content", "expected"),
    [
        ("a.png", b"\x89PNG", "unsupported_type"),
        ("noname", b"text", "unsupported_type"),
        ("a.md", b"", "empty"),
        ("a.md", b" \n\t ", "empty"),
        ("a.txt", "泵的压力是十二巴".encode("gbk"), "encoding"),
        ("a.txt", b"PK\x03\x04\x00\x00", "encoding"),
        ("a.html", b"<script>only()</script>", "no_text"),
        ("a.pdf", b"%PDF-1.7\nnothing", "malformed"),
        ("a.pdf", page(b""), "no_text"),
    ],
)
def test_what_cannot_be_indexed_is_rejected_with_its_reason(
    document: str, content: bytes, expected: str
) -> None:
    assert rejection(document, content).reason == expected


@pytest.mark.parametrize("document", ["a.md", "a.txt", "a.html", "a.pdf"])
@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.4", b"<" * 5000, b"[" * 5000, b"> " * 5000, b"<div>" * 5000 + b"x", b"\x0c\x01x"],
)
def test_odd_bytes_are_read_or_rejected(document: str, content: bytes) -> None:
    with suppress(Rejected):
        _, chunks = sandbox.run(read_bytes, document, content, 50, 5, seconds=10, memory_mb=ENOUGH)
        assert chunks
        for chunk in chunks:
            assert not re.search(r"[\x00-\x08\x0b-\x1f]", chunk.text)
            assert chunk.text.encode()
