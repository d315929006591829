"""What the answer cache spares of the questions that repeat an earlier one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import HOURS_PER_MONTH

_CHANGES_THAT_MATTER = 2
"""A document can drop out of what the model reads, and another can come into it."""


@dataclass(frozen=True)
class Repetition:
    """Shares of all questions, 0 to 1."""

    kept: float
    """Answered by the cache: no model writes an answer."""
    unsearched: float
    """Answered by the cache without a search: no document has changed since the answer."""

    @classmethod
    def of(cls, deployment: Deployment) -> Repetition:
        """Return what ``deployment`` declares.

        A repeated question comes at any time within ``answers.cache`` after the one before it, with
        equal probability. Documents change at random times, each as often as the others.
        """
        knowledge, answers = deployment.knowledge, deployment.answers
        hours = answers.cache.total_seconds() / 3600
        changes = knowledge.documents * knowledge.changed_per_month * hours / HOURS_PER_MONTH
        read = min(_CHANGES_THAT_MATTER * answers.passages / max(knowledge.documents, 1), 1)
        repeated = deployment.traffic.cache_hit_share
        return cls(repeated * _undisturbed(changes * read), repeated * _undisturbed(changes))


def _undisturbed(changes: float) -> float:
    """Return the probability of no change before a time that is uniform in the period.

    ``changes`` is their mean number in the whole period.
    """
    return -math.expm1(-changes) / changes if changes else 1.0
