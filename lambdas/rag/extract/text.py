"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re

from rag.chunks import Block
from rag.extract.encodings import plain


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (none in plain text) and blocks. Raises `Rejected`."""
    return "", [Block((), paragraph) for paragraph in paragraphs(plain(data))]


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs between blank lines."""
    return re.split(r"\n\s*\n", text)
