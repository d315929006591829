"""HTML: the text a reader sees, under its headings."""

from __future__ import annotations

import itertools
import re

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, Tag

from rag.chunks import Block
from rag.extract import decode
from rag.extract.outline import Outline

_UNSEEN = ["script", "style", "nav", "footer", "template", "noscript", "svg", "iframe", "head"]
_HIDDEN_STYLE = re.compile(r"display:\s*none|visibility:\s*hidden", re.IGNORECASE)
_INLINE_NAMES = (
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span "
    "strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_NAMES.split())


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (the first heading, else the title element) and blocks."""
    encoding = EncodingDetector.find_declared_encoding(data, is_html=True)
    soup = BeautifulSoup(decode(data, encoding or "utf-8-sig"), "html.parser")
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    _remove_unseen(soup)
    for line_break in soup.find_all("br"):
        line_break.replace_with("\n")
    for table in reversed(soup.find_all("table")):
        if not table.find("table"):  # one that holds others is there for the layout
            _flatten(soup, table)
    outline = Outline()
    strings = (
        text for text in soup.find_all(string=True) if type(text) in (NavigableString, CData)
    )
    for _, group in itertools.groupby(strings, key=lambda text: id(_owner(text))):
        texts = list(group)
        _add(outline, _owner(texts[0]), "".join(texts))
    return outline.title or title, outline.close()


def _remove_unseen(soup: BeautifulSoup) -> None:
    unseen = [
        tag
        for tag in soup.find_all(True)
        if tag.name in _UNSEEN
        or tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or _HIDDEN_STYLE.search(str(tag.get("style", "")))
    ]
    for tag in unseen:
        tag.extract()


def _flatten(soup: BeautifulSoup, table: Tag) -> None:
    """Replace a table by its rows as lines, the way Markdown writes them."""
    rows = [
        [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["th", "td"])]
        for row in table.find_all("tr")
    ]
    lines = [f"| {' | '.join(cells)} |" for cells in rows if any(cells)]
    if len(lines) > 1:
        lines.insert(1, "|" + " --- |" * len(rows[0]))
    caption = table.find("caption")
    flat = soup.new_tag("table", string="\n".join(lines))
    table.replace_with(*([caption] if caption else []), flat)


def _owner(text: NavigableString) -> Tag:
    """Return the block element that a piece of text stands in."""
    return next(parent for parent in text.parents if parent.name not in _INLINE)


def _add(outline: Outline, owner: Tag, text: str) -> None:
    if owner.name == "pre":
        outline.add(text.strip("\n"), before="```", after="```")
    elif owner.name == "table":
        head, rows = text.split("\n")[:2], text.split("\n")[2:]
        outline.add("\n".join(rows) or text, before="\n".join(head) if rows else "")
    elif re.fullmatch(r"h[1-6]", owner.name):
        outline.heading(int(owner.name[1]), text)
    else:
        mark = "- " if owner.name == "li" and text.strip() else ""
        outline.add(mark + "\n".join(" ".join(line.split()) for line in text.strip().split("\n")))
