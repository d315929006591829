"""PDF: the text of each page, under the outline's headings and its page number."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

from pypdf import PdfReader, apply_configuration
from pypdf.errors import DependencyError, LimitReachedError, PyPdfError

from rag.chunks import Block
from rag.errors import Rejected
from rag.extract.outline import LONGEST_HEADING

_MAX_PAGES = 2_000
_MAX_CHARACTERS = 5_000_000
# One page's content, unpacked. A page of text has some 10 kB; a bomb has gigabytes.
_MAX_STREAM_BYTES = 10_000_000
_DEEPEST_HEADING = 5

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the document


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (from the metadata) and one block per page. Raises `Rejected`."""
    with apply_configuration(
        array_based_stream_maximum_output_length=_MAX_STREAM_BYTES,
        brotli_maximum_output_length=_MAX_STREAM_BYTES,
        lzw_maximum_output_length=_MAX_STREAM_BYTES,
        run_length_maximum_output_length=_MAX_STREAM_BYTES,
        zlib_maximum_output_length=_MAX_STREAM_BYTES,
    ):
        try:
            return _read(data)
        except LimitReachedError as error:
            raise Rejected("too_complex", f"the PDF unpacks to too much: {error}") from error
        except DependencyError as error:  # a cipher beyond the standard library
            raise Rejected("encrypted", "remove the PDF's encryption") from error
        except PyPdfError as error:
            raise Rejected("malformed", f"not a readable PDF: {error}") from error


def _read(data: bytes) -> tuple[str, list[Block]]:
    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted:
        raise Rejected("encrypted", "remove the PDF's encryption")
    if len(reader.pages) > _MAX_PAGES:
        raise Rejected("too_complex", f"more than {_MAX_PAGES} pages; split the document")
    headings = _headings(reader)
    blocks: list[Block] = []
    open_headings: tuple[str, ...] = ()
    characters = 0
    for number, page in enumerate(reader.pages):
        open_headings = headings.get(number, open_headings)
        text = page.extract_text()
        characters += len(text)
        if characters > _MAX_CHARACTERS:
            raise Rejected("too_complex", f"more than {_MAX_CHARACTERS} characters")
        blocks.append(Block((*open_headings, f"Page {number + 1}"), text))
    return str((reader.metadata and reader.metadata.title) or ""), blocks


def _headings(reader: PdfReader) -> dict[int, tuple[str, ...]]:
    """Find the last outline entry's path on each page where one begins."""
    try:
        return dict(_walk(reader, reader.outline, ()))
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # a broken outline costs the headings, not the document


def _walk(
    reader: PdfReader, entries: list[Any], path: tuple[str, ...]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    parent = path
    for entry in entries:
        if isinstance(entry, list):  # the children of the entry before
            yield from _walk(reader, entry, parent[:_DEEPEST_HEADING])
            continue
        parent = (*path, " ".join(str(entry.title).split())[:LONGEST_HEADING])
        page = reader.get_destination_page_number(entry)
        if page is not None:
            yield page, parent
