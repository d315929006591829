"""Formats beside Markdown, HTML and PDF: each made here by hand, each read to its last word."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from email.message import EmailMessage
from importlib.resources import files

import openpyxl
import pytest

from rag import sandbox
from rag.errors import Rejected
from rag.extract import extract

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
RELATION = '<Relationship Id="{}" Type="http://schemas/{}" Target="{}"/>'
SUFFIXES = list(json.loads(files("rag").joinpath("formats.json").read_text()))


def archive(**parts: str) -> bytes:
    """A ZIP file; `__` in a name is a slash, `_0` a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in parts.items():
            file.writestr(name.replace("__", "/").replace("_0", "."), content)
    return buffer.getvalue()


def relations(*entries: tuple[str, str, str]) -> str:
    inner = "".join(RELATION.format(*entry) for entry in entries)
    return f"<Relationships xmlns='http://schemas/relationships'>{inner}</Relationships>"


def read(document: str, content: str | bytes) -> tuple[str, list[tuple[str, str]]]:
    data = content.encode() if isinstance(content, str) else content
    found = extract(document, data)
    return found.title, [(" > ".join(block.headings), block.text) for block in found.blocks]


def test_word() -> None:
    def paragraph(text: str, style: str = "") -> str:
        kind = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{kind}<w:r><w:t>{text}</w:t></w:r></w:p>"

    def row(*cells: str) -> str:
        inner = "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in cells)
        return f"<w:tr>{inner}</w:tr>"

    body = (
        paragraph("Pump manual", "Heading1")
        + paragraph("It starts at 12 bar.")
        + f"<w:tbl>{row('Size', 'bar')}{row('S', '3')}</w:tbl>"
    )
    styles = (
        f'<w:styles {W}><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>'
    )
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    data = archive(
        **{
            "[Content_Types]_0xml": "<Types xmlns='http://schemas.openxmlformats.org/package/2006/"
            "content-types'/>",
            "_rels__0rels": "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/"
            f"relationships'><Relationship Id='r1' Type='{office}officeDocument'"
            " Target='word/document.xml'/></Relationships>",
            "word__document_0xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word__styles_0xml": styles,
            "word___rels__document_0xml_0rels": "<Relationships xmlns='http://schemas."
            "openxmlformats.org/package/2006/relationships'><Relationship Id='r1'"
            f" Type='{office}styles' Target='styles.xml'/></Relationships>",
        }
    )
    assert read("a.docx", data) == (
        "Pump manual",
        [
            ("Pump manual", "It starts at 12 bar."),
            ("Pump manual", "| Size | bar |\n| --- | --- |\n| S | 3 |"),
        ],
    )


def test_slides() -> None:
    def shape(kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody><a:p>'
            f"<a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def slide(*shapes: str) -> str:
        return f"<p:sld {A}><p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld></p:sld>"

    order = "".join(f'<p:sldId id="{25 + at}" r:id="r{at}"/>' for at in (2, 1))
    data = archive(
        ppt__presentation_0xml=f"<p:presentation {A}><p:sldIdLst>{order}</p:sldIdLst>"
        "</p:presentation>",
        ppt___rels__presentation_0xml_0rels=relations(
            ("r1", "slide", "slides/slide1.xml"), ("r2", "slide", "slides/slide2.xml")
        ),
        ppt__slides__slide1_0xml=slide(shape("title", "Second"), shape("sldNum", "2")),
        ppt__slides__slide2_0xml=slide(shape("ctrTitle", "First"), shape("body", "12 bar")),
        ppt__slides___rels__slide2_0xml_0rels=relations(
            ("n", "notesSlide", "../notesSlides/notesSlide1.xml")
        ),
        ppt__notesSlides__notesSlide1_0xml=slide(shape("body", "Say it slowly.")),
    )
    assert read("a.pptx", data) == (
        "First",
        [("First", "12 bar"), ("First", "Say it slowly."), ("Second", "Second")],
    )


def test_a_workbook_sheet_by_sheet() -> None:
    workbook = openpyxl.Workbook()
    workbook.active.title = "Sizes"
    for row in (["Size", "bar"], ["S", 3.5], [None, None], ["L", 16]):
        workbook.active.append(row)
    workbook.create_sheet("Secret").sheet_state = "hidden"
    workbook["Secret"].append(["hidden"])
    buffer = io.BytesIO()
    workbook.save(buffer)
    assert read("a.xlsx", buffer.getvalue()) == (
        "Sizes",
        [("Sizes", "| Size | bar |\n| --- | --- |\n| S | 3.5 |\n| L | 16 |")],
    )


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_in_text(separator: str) -> None:
    text = f'Size{separator}Note\r\nS{separator}"up to{separator} 3\nbar"\r\n'
    expected = f"| Size | Note |\n| --- | --- |\n| S | up to{separator.rstrip()} 3 bar |"
    assert read("a.csv", text) == ("a", [("", expected)])


def test_records() -> None:
    text = '{"name": "Pump", "sizes": [{"bar": 3}, {"bar": 16}], "none": null}\n\n{"name": "Tap"}\n'
    assert read("a.jsonl", text)[1] == [
        ("", "name: Pump\nsizes.bar: 3\nsizes.bar: 16"),
        ("", "name: Tap"),
    ]
    with pytest.raises(Rejected, match="line 2 is not JSON"):
        extract("a.jsonl", b'{"a": 1}\n{oops}\n')


def test_a_book_chapter_by_chapter() -> None:
    def book(**more: str) -> bytes:
        return archive(
            **{"META-INF__container_0xml": "<c><rootfile full-path='O/b.opf'/></c>"},
            O__b_0opf="<package xmlns:dc='d'><metadata><dc:title>Pumps</dc:title></metadata>"
            "<manifest><item id='a' href='one%20two.xhtml'/>"
            "<item id='b' href='b.xhtml'/></manifest>"
            "<spine><itemref idref='b'/><itemref idref='a'/></spine></package>",
            **{"O__one two_0xhtml": "<html><head/><body><h1>Two</h1><p>Last.</p></body></html>"},
            O__b_0xhtml="<html><body><h1>One</h1><p>First.</p></body></html>",
            **more,
        )

    assert read("a.epub", book()) == ("Pumps", [("One", "First."), ("Two", "Last.")])
    lock = {"META-INF__encryption_0xml": "<e><CipherReference URI='O/b.xhtml'/></e>"}
    with pytest.raises(Rejected, match="protected against copying"):
        extract("a.epub", book(**lock))


def test_mail() -> None:
    message = EmailMessage()
    message["Subject"] = "Größe der Pumpe"
    message["From"] = "Valve team <valves@example.org>"
    message.set_content("It starts at 12 bar.\n\nRegards\n")
    message.add_alternative("<p>It starts at <b>12 bar</b>.</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="pump.pdf")
    title, blocks = read("a.eml", message.as_bytes())
    assert title == "Größe der Pumpe"
    assert [text for _, text in blocks] == [
        "From: Valve team <valves@example.org>",
        "It starts at 12 bar.",
        "Regards",
        "Attachment: pump.pdf",
    ]


def test_restructuredtext_with_words_that_only_sphinx_knows() -> None:
    text = (
        "Pump\n====\n\nIt starts, see :ref:`the valve <valve>`.\n\n.. versionadded:: 2.0\n"
        "   With pressure.\n\n.. include:: /etc/passwd\n\nParts\n-----\n\n::\n\n   x = 1\n"
    )
    title, blocks = read("a.rst", text)
    assert title == "Pump"
    assert ("Pump", "It starts, see the valve.") in blocks
    assert ("Pump", "2.0\nWith pressure.") in blocks
    assert blocks[-1] == ("Pump > Parts", "```\nx = 1\n```")
    assert "root:" not in str(blocks)


def test_asciidoc() -> None:
    text = (
        "= Pump\n:toc:\n// a comment\n\nIt starts.\n\n[source,sh]\n----\n# no heading\n"
        "== nor this\n----\n\n////\nsecret\n////\n\n== Parts\n\n|===\n|Size |bar\n|S |3\n|===\n"
    )
    assert read("a.adoc", text) == (
        "Pump",
        [
            ("Pump", "It starts."),
            ("Pump", "```\n# no heading\n== nor this\n```"),
            ("Pump > Parts", "|Size |bar\n|S |3"),
        ],
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    [b"\xd0\xcf\x11\xe0 old", b"PK\x03\x04 cut off", b"\x00\x01\xff", b"<![CDATA[", b"{" * 9999],
)
def test_what_is_of_no_format_is_read_or_rejected(suffix: str, content: bytes) -> None:
    with suppress(Rejected):  # anything else would be a crash
        sandbox.run(extract, f"a{suffix}", content, seconds=20, memory_mb=1024)


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Microsoft Word - Document1", "Pump"),
        ("Microsoft Word - Annual report.doc", "Annual report"),
        ("untitled", "Pump"),
        ("PowerPoint Presentation", "Pump"),
        ("--", "Pump"),
        ("Document control", "Document control"),
    ],
)
def test_a_title_that_nobody_gave_is_none(title: str, expected: str) -> None:
    page = f"<title>{title}</title><p>Text.</p>"
    assert read("a.html", page)[0] == ("a" if expected == "Pump" else expected)
    assert read("a.md", f"---\ntitle: '{title}'\n---\n# Pump\n\nText.")[0] == expected
