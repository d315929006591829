"""Documents to text blocks: one module per format, each imported only when its format comes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.resources import files
from pathlib import PurePosixPath

from rag import unicode_text
from rag.chunks import Block
from rag.errors import Rejected

_FORMATS: dict[str, str] = json.loads(files("rag").joinpath("formats.json").read_text())
"""From suffix to the module that reads it. `add` on the command line reads the same file."""

_LONGEST_TITLE = 200  # each chunk carries it
_PROGRAM = re.compile(r"Microsoft (?:Word|PowerPoint|Excel) - ", re.IGNORECASE)
_ENDING = re.compile(r"\.(?:docx?|pptx?|xlsx?|od[tps]|rtf|tex|dvi|indd|qxd|fm|pdf)$", re.IGNORECASE)
_NOBODYS_TITLE = re.compile(
    r"(?:untitled|unnamed|no title|sans titre|unbenannt|ohne titel|sin título|無題|无标题"
    r"|(?:new )?(?:document|dokument|documento|文書|文档)|book|mappe|classeur|sheet|slide|layout"
    r"|presentation|präsentation|présentation|powerpoint.presentation|powerpoint-präsentation"
    r"|présentation powerpoint|presentación de powerpoint)[\s_-]*\d*",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's title and its blocks in reading order."""

    title: str
    blocks: list[Block]


def format_of(document: str) -> str:
    """Return the format for the key's suffix. Raises `Rejected` for one that cannot be read."""
    suffix = PurePosixPath(document).suffix.lower()
    if suffix not in _FORMATS:
        raise Rejected(
            "unsupported_type",
            f"no format of {suffix or 'a name without suffix'}; known are {', '.join(_FORMATS)}",
        )
    return _FORMATS[suffix]


def reader_of(format_: str) -> str:
    """Return the name of the module that reads a format."""
    return f"rag.extract.{format_}"


def extract(document: str, data: bytes) -> Extracted:
    """Read a document. Raises `Rejected` when there is no text to be had from it."""
    if not data.strip():
        raise Rejected("empty", "the document has no content")
    format_ = format_of(document)
    title, blocks = import_module(reader_of(format_)).read(data)
    kept = [clean for block in blocks if (clean := _clean(block)).body.strip()]
    if not kept:
        raise Rejected("no_text", "the document has no text; scanned pages need OCR first")
    headings = (heading for block in kept for heading in block.headings[:1])
    titles = (title, next(headings, "") if format_ != "pdf" else "")
    named = (_title(candidate) for candidate in titles)
    return Extracted(next(filter(None, named), PurePosixPath(document).stem), kept)


def _title(text: str) -> str:
    """Return a title without what programs add to it; empty if there is no title."""
    text = _ENDING.sub("", _PROGRAM.sub("", " ".join(_printable(text).split())))
    named = any(map(str.isalnum, text)) and not _NOBODYS_TITLE.fullmatch(text)
    return text[:_LONGEST_TITLE].strip() if named else ""


def _clean(block: Block) -> Block:
    return replace(
        block,
        headings=tuple(_printable(heading) for heading in block.headings),
        body=_printable(block.body).strip("\n"),
        before=_printable(block.before),
    )


def _printable(text: str) -> str:
    """In Unicode's normal form, without what JSON and the index refuse: controls, surrogates."""
    return unicode_text.normal(_CONTROL.sub(" ", text.encode("utf-8", "replace").decode()))
