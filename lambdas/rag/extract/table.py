"""Tables in text: values between commas, semicolons or tabs."""

from __future__ import annotations

import csv
import io
import sys

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract.encodings import plain
from rag.extract.outline import Outline


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (none) and one table, of which the first row is the head. Raises `Rejected`."""
    text, outline = plain(data), Outline()
    # The separator is the most frequent candidate in the first lines.
    head = text.partition("\n")[0]
    separator = max(",;\t|", key=head.count)
    csv.field_size_limit(sys.maxsize)
    try:
        outline.table(list(csv.reader(io.StringIO(text), delimiter=separator)))
    except csv.Error as error:
        raise Rejected("malformed", f"not a table of values: {error}") from error
    return "", outline.close()
