"""Reads a document into chunks, within limits that no document can break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag import sandbox
from rag.chunks import Chunk, split
from rag.documents import MAX_CHUNKS
from rag.errors import Rejected
from rag.extract import extract, format_of, reader_of
from rag.objects import Source

_VERSION = 6
"""Count up when extraction or chunking changes what a document becomes."""

_SECONDS = 60
_MEMORY_MB = 512


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document became."""

    format: str
    title: str
    chunks: Sequence[Chunk]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How documents are cut, and how large they may be."""

    chunk_tokens: int
    overlap_tokens: int
    max_document_mb: float

    @property
    def version(self) -> str:
        """Changes with everything that decides about a document's chunks."""
        return f"{_VERSION}/{self.chunk_tokens}/{self.overlap_tokens}"

    def read(self, document: str, source: Source) -> Reading:
        """Download and read a document. Raises `Rejected` if that is not possible."""
        format_ = format_of(document)
        if source.size > self.max_document_mb * 1_000_000:
            raise Rejected(
                "too_large",
                f"{source.size / 1e6:.1f} MB; up to {self.max_document_mb:g} MB are indexed",
            )
        title, chunks = sandbox.run(
            read_bytes,
            document,
            source.read(),
            self.chunk_tokens,
            self.overlap_tokens,
            seconds=_SECONDS,
            memory_mb=_MEMORY_MB,
            imports=[reader_of(format_)],
        )
        if len(chunks) > MAX_CHUNKS:
            raise Rejected("too_complex", f"over {MAX_CHUNKS} chunks; split the document")
        return Reading(format_, title, chunks)


def read_bytes(document: str, data: bytes, budget: int, overlap: int) -> tuple[str, list[Chunk]]:
    """Title and chunks of a document, without any limit on time and memory."""
    extracted = extract(document, data)
    return extracted.title, split(extracted.blocks, budget=budget, overlap=overlap)
