"""JSON lines: each record's fields, one to a line, under their path."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract.encodings import plain


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (none) and one block per record. Raises `Rejected` naming the line at fault."""
    blocks = []
    for number, line in enumerate(plain(data).split("\n"), 1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise Rejected("malformed", f"line {number} is not JSON: {error}") from error
            blocks.append(Block((), "\n".join(_fields(record, ""))))
    return "", blocks


def _fields(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, path)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        yield f"{path}: {text}" if path else text
