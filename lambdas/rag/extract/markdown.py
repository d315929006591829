"""Markdown: the blocks of CommonMark and tables, each as it was written."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.chunks import Block
from rag.extract import decode
from rag.extract.outline import Outline

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE)


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (front matter, else the first heading) and blocks.

    Of the front matter only the title is used: the rest is about the document, not in it.
    """
    text, title = decode(data), ""
    if front := _FRONT_MATTER.match(text):
        named = _FRONT_TITLE.search(front[1])
        title, text = named[1] if named else "", text[front.end() :]
    lines, outline = text.split("\n"), Outline()
    parsed = MarkdownIt("commonmark").enable("table").parse(text)
    tops = [(token, at) for at, token in enumerate(parsed) if token.level == 0 and token.map]
    read_to = 0
    for token, at in tops:
        start, end = token.map or (0, 0)
        # Lines between blocks are link definitions: no token of their own, but part of the text.
        outline.add("\n".join(lines[read_to:start]))
        read_to = end
        if token.type == "heading_open":
            outline.heading(int(token.tag[1:]), _plain(parsed[at + 1]))
        elif token.type == "fence":
            fence = f"{token.markup}{token.info}"
            outline.add(token.content, before=fence, after=token.markup)
        elif token.type == "table_open":
            head, rows = lines[start : start + 2], lines[start + 2 : end]
            outline.add("\n".join(rows) or head[0], before="\n".join(head) if rows else "")
        else:
            outline.add("\n".join(lines[start:end]))
    outline.add("\n".join(lines[read_to:]))
    return title or outline.title, outline.close()


def _plain(inline: Token) -> str:
    """Return a heading's text without its markup."""
    return "".join(
        " " if child.type == "softbreak" else child.content for child in inline.children or ()
    )
