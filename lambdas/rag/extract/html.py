"""HTML: the text that a browser shows, under its headings.

html5lib builds the tree as browsers do, so that omitted and misplaced tags end where a reader sees
them end. A page's own menu and footer are left out: they are the site's, and the same on each page.
"""

from __future__ import annotations

import itertools
import re
import warnings

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, Tag

from rag.chunks import Block
from rag.extract.encodings import decode
from rag.extract.outline import Outline

_UNSEEN_NAMES = "script style nav template noscript noframes noembed iframe head datalist rp"
UNSEEN = frozenset(_UNSEEN_NAMES.split())
_HIDDEN_STYLE = re.compile(r"display:\s*none|visibility:\s*hidden", re.IGNORECASE)
_INLINE_NAMES = (
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb rt ruby s "
    "samp small span strike strong sub sup time tt u var wbr"
)
INLINE = frozenset(_INLINE_NAMES.split())
_SECTIONS = ["article", "aside", "main", "section", "blockquote", "td"]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_SUPERSCRIPTS = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_RAISED = re.compile("[+\\-\u2212]?[0-9]+")
_RAISES = re.compile(r"(?:\d|(?<![^\W\d_])[^\W\d_]{1,2}|\))\Z")
_MOST_COLUMNS = 1000  # the browsers' limit of a colspan


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (the first heading, else the title element) and blocks."""
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    outline = Outline()
    title = add(outline, decode(data, declared or None))
    return outline.title or title, outline.close()


def add(outline: Outline, markup: str) -> str:
    """Add what a page or a piece of it shows to an outline; return the title element's text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        soup = BeautifulSoup(markup.replace("\0", ""), "html5lib")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    _remove_unseen(soup)
    _write_out(soup)
    for table in reversed(soup.find_all("table")):
        if not table.find(["table", *_HEADINGS]):  # one that holds them is there for the layout
            _flatten(soup, table)
    strings = (
        text for text in soup.find_all(string=True) if type(text) in (NavigableString, CData)
    )
    for _, group in itertools.groupby(strings, key=lambda text: id(_owner(text))):
        texts = list(group)
        _add(outline, _owner(texts[0]), "".join(texts))
    return title


def _remove_unseen(soup: BeautifulSoup) -> None:
    unseen = [
        tag
        for tag in soup.find_all(True)
        if tag.name in UNSEEN
        or tag.has_attr("hidden")
        or (tag.name == "dialog" and not tag.has_attr("open"))
        or (tag.name == "footer" and not tag.find_parent(_SECTIONS))
        or _HIDDEN_STYLE.search(str(tag.get("style", "")))
    ]
    for tag in unseen:
        tag.extract()


def _write_out(soup: BeautifulSoup) -> None:
    """Express layout as characters: line breaks, superscripts, readings, pictures."""
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")
    for image in soup.find_all("img"):
        alternative = " ".join(str(image.get("alt", "")).split())
        image.replace_with(f" {alternative} " if alternative else " ")
    for reading in soup.find_all("rt"):
        reading.replace_with(f"({''.join(reading.find_all(string=True))})")
    for raised in soup.find_all("sup"):
        digits, before = raised.get_text(strip=True), raised.find_previous(string=True)
        if _RAISED.fullmatch(digits) and before and _RAISES.search(before):
            raised.replace_with(digits.translate(_SUPERSCRIPTS))


def _flatten(soup: BeautifulSoup, table: Tag) -> None:
    """Replace a table by its rows as lines, the way Markdown writes them."""
    rows = [row for row in _grid(table) if any(row)]
    columns = max((len(row) for row in rows), default=0)
    lines = [f"| {' | '.join(row + [''] * (columns - len(row)))} |" for row in rows]
    if columns == 1:
        lines = [row[0] for row in rows]
    elif len(lines) > 1:
        lines.insert(1, "|" + " --- |" * columns)
    flat = soup.new_tag("table" if columns > 1 else "div", string="\n".join(lines))
    table.replace_with(*table.find_all("caption"), flat)


def _grid(table: Tag) -> list[list[str]]:
    """Return each row's cells in their columns; where a cell spans others, those are empty."""
    taken: dict[int, int] = {}  # column: rows that a cell from above still covers
    rows: list[list[str]] = []
    for row in table.find_all("tr"):
        cells: list[str] = []
        above, taken = taken, {column: left - 1 for column, left in taken.items() if left > 1}
        for cell in row.find_all(["th", "td"], recursive=False):
            while len(cells) in above:
                cells.append("")
            width, height = _span(cell, "colspan"), _span(cell, "rowspan")
            for column in range(len(cells), len(cells) + width) if height > 1 else ():
                taken[column] = height - 1
            text = " ".join(cell.get_text(" " if cell.find(_is_block) else "").split())
            cells += [text, *[""] * (width - 1)]
        rows.append(cells)
    return rows


def _span(cell: Tag, name: str) -> int:
    value = re.match(r"\s*\d{1,9}", str(cell.get(name, "")))
    return min(max(int(value[0]) if value else 1, 1), _MOST_COLUMNS)


def _is_block(tag: Tag) -> bool:
    return tag.name not in INLINE


def _owner(text: NavigableString) -> Tag:
    """Return the block element that contains a text."""
    return next(parent for parent in text.parents if parent.name not in INLINE)


def _add(outline: Outline, owner: Tag, text: str) -> None:
    if owner.name == "pre":
        outline.add(text.strip("\n"), before="```", after="```")
    elif owner.name == "table" and "\n" in text.strip():
        head, rows = text.split("\n")[:2], text.split("\n")[2:]
        outline.add("\n".join(rows) or text, before="\n".join(head) if rows else "")
    elif owner.name in _HEADINGS:
        outline.heading(int(owner.name[1]), text)
    else:
        mark = "- " if owner.name == "li" and text.strip() else ""
        outline.add(mark + "\n".join(" ".join(line.split()) for line in text.strip().split("\n")))
