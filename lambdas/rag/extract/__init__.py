"""Documents to text blocks: one module per format, each imported only when its format comes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import PurePosixPath
from types import ModuleType

from rag import unicode_text
from rag.chunks import Block
from rag.errors import Rejected

_FORMATS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
}
_LONGEST_TITLE = 200  # each chunk carries it
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A document's title and its blocks in reading order."""

    title: str
    blocks: list[Block]


def format_of(document: str) -> str:
    """Tell the format by the key's suffix. Raises `Rejected` for one that cannot be read."""
    suffix = PurePosixPath(document).suffix.lower()
    if suffix not in _FORMATS:
        raise Rejected(
            "unsupported_type",
            f"no format of {suffix or 'a name without suffix'}; known are {', '.join(_FORMATS)}",
        )
    return _FORMATS[suffix]


def reader_of(format_: str) -> ModuleType:
    """Import the module that reads a format."""
    return import_module(f"rag.extract.{format_}")


def extract(document: str, data: bytes) -> Extracted:
    """Read a document. Raises `Rejected` when there is no text to be had from it."""
    if not data.strip():
        raise Rejected("empty", "the document has no content")
    title, blocks = reader_of(format_of(document)).read(data)
    kept = [clean for block in blocks if (clean := _clean(block)).body.strip()]
    if not kept:
        raise Rejected("no_text", "the document has no text; scanned pages need OCR first")
    title = _printable(title).strip()[:_LONGEST_TITLE]
    return Extracted(title or PurePosixPath(document).stem, kept)


def decode(data: bytes, encoding: str = "utf-8-sig") -> str:
    """Decode text strictly, with line ends as newlines. Raises `Rejected`."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except LookupError:
        raise Rejected("encoding", f"unknown encoding {encoding!r}; save it as UTF-8") from None
    except UnicodeDecodeError as error:
        raise Rejected(
            "encoding", f"not {error.encoding} at byte {error.start}; save it as UTF-8"
        ) from None
    if "\0" in text:
        raise Rejected("encoding", "the file is binary, not text")
    return "\n".join(text.splitlines())


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
