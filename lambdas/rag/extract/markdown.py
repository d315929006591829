"""Markdown: the blocks of CommonMark and tables, each as it was written."""

from __future__ import annotations

import re
import tomllib

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.chunks import Block
from rag.extract import html
from rag.extract.encodings import plain
from rag.extract.outline import Outline

_YAML = re.compile(r"\A\s*?---[ \t]*\n((?!\s*\n).*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\A\s*?\+\+\+[ \t]*\n(.*?\n)??\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL)
_YAML_LINE = re.compile(r"(?:[\w-]+:(?: .*)?|[ \t#-].*|)")
_YAML_TITLE = re.compile(r"^title:\s*(.*?)\s*$", re.MULTILINE)
_CODE_OR_COMMENT = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)|<!--.*?-->", re.DOTALL)


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (front matter, else the first heading) and blocks.

    Of the front matter only the title is used: the rest is about the document, not in it.
    """
    title, text = _front_matter(plain(data))
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
        elif token.type == "html_block":
            html.add(outline, token.content)
        elif token.type == "hr":
            pass
        elif token.type == "table_open":
            head, rows = lines[start : start + 2], lines[start + 2 : end]
            outline.add("\n".join(rows) or head[0], before="\n".join(head) if rows else "")
        else:
            body = "\n".join(lines[start:end])
            outline.add(body if token.type == "code_block" else _without_comments(body))
    outline.add("\n".join(lines[read_to:]))
    return title or outline.title, outline.close()


def _front_matter(text: str) -> tuple[str, str]:
    """Return the title in the front matter, and the text after it.

    The block between two rules is front matter only if it is a mapping; otherwise it is text.
    """
    if found := _TOML.match(text):
        try:
            return _title(tomllib.loads(found[1] or "")), text[found.end() :]
        except tomllib.TOMLDecodeError:
            return "", text
    if not (found := _YAML.match(text)):
        return "", text
    content = found[1] or ""
    try:
        values = yaml.safe_load(content) or {}
    except yaml.YAMLError:
        # People write titles with colons, and without the quotes that YAML wants then.
        if not all(_YAML_LINE.fullmatch(line) for line in content.split("\n")):
            return "", text
        named = _YAML_TITLE.search(content)
        values = {"title": named[1] if named else ""}
    if not isinstance(values, dict):
        return "", text
    return _title(values), text[found.end() :]


def _title(values: dict[str, object]) -> str:
    title = values.get("title")
    return str(title) if isinstance(title, str | int | float) else ""


def _without_comments(text: str) -> str:
    return _CODE_OR_COMMENT.sub(lambda found: found[0] if found[1] else "", text)


def _plain(inline: Token) -> str:
    """Return a heading's text without its markup."""
    return "".join(
        " " if child.type == "softbreak" else child.content
        for child in inline.children or ()
        if child.type != "html_inline"
    )
