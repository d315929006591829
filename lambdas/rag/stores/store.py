"""What every knowledge store can do, and what a search in one returns.

A store is one module of this package and one line in `kinds`. `tests/e2e/test_stores.py` tests
all of them by this protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rag.embedding import Vector
from rag.errors import Unavailable

_BLOCKED = "cluster_block_exception"
"""OpenSearch refuses writes while its disk is full."""


class StoreError(Exception):
    """A request that the store refuses; waiting does not help. Contains no document text."""

    def __init__(self, status: int, kind: str) -> None:
        super().__init__(f"the knowledge store answered {status} ({kind})")
        self.status = status
        self.kind = kind


def refusal(status: int, kind: str) -> StoreError | Unavailable:
    """Return the error of a request that was refused: for now, or for good."""
    if kind == _BLOCKED:
        return Unavailable(f"knowledge store: {kind}")
    return StoreError(status, kind)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as found by a search. `score` compares with others of the same result list only."""

    id: str
    document: str
    title: str
    section: str
    text: str
    score: float = field(default=0.0, compare=False)

    @property
    def source(self) -> str:
        """Title and heading path, which often begins with the title."""
        if self.section.startswith(self.title):
            return self.section
        return f"{self.title}: {self.section}" if self.section else self.title


@dataclass(frozen=True, slots=True)
class Found:
    """Both result lists, best first, and the cosine of the nearest vector (-1: none found)."""

    lexical: list[Passage]
    semantic: list[Passage]
    similarity: float


class KnowledgeStore(Protocol):
    """The index of one deployment.

    Every method raises `Unavailable` if the store starts, is overloaded or cannot be reached,
    and `StoreError` if it refuses the request.
    """

    def search(
        self,
        question: str,
        vector: Vector,
        filters: Mapping[str, Sequence[str]],
        candidates: int,
        *,
        seconds: float | None = None,
    ) -> Found:
        """Find the best `candidates` by words, and by meaning, of what the filters let through.

        `seconds` is how long to wait for the answer, if not as long as for any other request.
        """

    def write(self, chunks: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Index chunks by id. Writing the same chunk again changes nothing."""

    def delete(self, ids: Iterable[str]) -> None:
        """Delete chunks by id. Missing chunks are no error."""

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors of those chunks that are there, by id."""

    def count(self) -> int:
        """Tell how many chunks searches see. It may list them all: not for the answer path."""

    def make_visible(self) -> float:
        """Make writes visible to searches. Returns the seconds until they are visible."""
