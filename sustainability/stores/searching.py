"""What searches need of a store that runs on processors and memory, from which its size follows."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import document_tokens, passages
from sustainability.energy.repetition import Repetition
from sustainability.facts.lookup import Facts

BUSY_SHARE = 0.5
"""Of the processors, what searches may use; a queue forms beyond it."""
VECTORS_SHARE = 0.5
"""Of the memory, what vectors and graph may use: OpenSearch's heap takes the other half."""
_LINKS = 16
"""Neighbours of a vector in the HNSW graph (``m``)."""


@dataclass(frozen=True)
class Held:
    """What is kept in memory, and what is stored."""

    passages: float
    vectors_gib: float
    text_gib: float

    @classmethod
    def of(cls, deployment: Deployment, facts: Facts) -> Held:
        """Return the most that the declared documents are.

        Vectors are full ones, for rescoring, and their graph. A vector of d dimensions at 32x takes
        1.1 (d / 8 + 8 m) bytes in the graph (OpenSearch k-NN documentation).
        """
        knowledge = deployment.knowledge
        dimensions = knowledge.embedding.dimensions
        count = knowledge.documents * passages(deployment, facts).high
        vectors = count * (4 * dimensions + 1.1 * (dimensions / 8 + 8 * _LINKS)) / 2**30
        characters = facts("workload/characters_per_token", "characters").high
        tokens = knowledge.documents * document_tokens(deployment, facts).high
        return cls(count, vectors, tokens * characters / 2**30)


def searches(deployment: Deployment, per_hour: float) -> float:
    """Return the searches a second that ``per_hour`` questions cause."""
    return per_hour * (1 - Repetition.of(deployment).unsearched) / 3600


def busy(deployment: Deployment, per_hour: float, facts: Facts) -> float:
    """Return how many vCPUs are busy with the searches of ``per_hour`` questions, at most."""
    return searches(deployment, per_hour) * facts("workload/search_processor", "s").high
