"""Plain text: paragraphs between blank lines."""

from __future__ import annotations

import re

from rag.chunks import Block
from rag.extract import decode


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (none in plain text) and blocks."""
    return "", [Block((), paragraph) for paragraph in re.split(r"\n\s*\n", decode(data))]
