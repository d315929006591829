"""Slides: the text of each, under its title, with the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from rag.chunks import Block
from rag.extract.archive import Archive
from rag.extract.outline import Outline

_TITLES = ("title", "ctrTitle")
_FURNITURE = ("sldNum", "dt", "ftr", "hdr", "sldImg")  # number, date, footer: the same on each


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (from the properties, else of the first slide) and blocks. Raises `Rejected`."""
    archive, outline = Archive(data), Outline()
    presentation = "ppt/presentation.xml"
    related = archive.related(presentation)
    for number, slide in enumerate(archive.xml(presentation).iterfind("sldIdLst/sldId"), 1):
        path = related.get(slide.get("rel", ""), ("", ""))[1]
        shapes = list(archive.xml(path).iter("spTree"))
        titles = [_text(shape) for shape in _shapes(shapes, _TITLES)]
        outline.heading(1, " ".join(titles) or f"Slide {number}")
        for shape in _shapes(shapes, None):
            outline.add(_text(shape))
        for tree in shapes:
            for table in tree.iter("tbl"):
                rows = [[_text(cell) for cell in row.iter("tc")] for row in table.iter("tr")]
                outline.table(rows)
        for kind, notes in archive.related(path).values():
            if kind == "notesSlide":
                for shape in _shapes(list(archive.xml(notes).iter("spTree")), None):
                    outline.add(_text(shape))
    return archive.office_title() or outline.title, outline.close()


def _shapes(trees: list[Element], kinds: tuple[str, ...] | None) -> Iterator[Element]:
    """Yield the shapes that hold a place of these kinds; None: of all but titles and furniture."""
    for tree in trees:
        for shape in tree.iter("sp"):
            place = shape.find(".//nvPr/ph")
            kind = "" if place is None else place.get("type", "body")
            if kind in kinds if kinds else kind not in (*_TITLES, *_FURNITURE):
                yield shape


def _text(element: Element) -> str:
    """Return the paragraphs of a shape or a cell as lines."""
    return "\n".join(
        "".join(
            "\n" if piece.tag == "br" else piece.text or ""
            for piece in paragraph.iter()
            if piece.tag in ("t", "br")
        )
        for paragraph in element.iter("p")
    ).strip()
