"""The declared work of a deployment in a month (730 hours)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import HOURS_PER_MONTH
from sustainability.energy.repetition import Repetition
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate


@dataclass(frozen=True)
class Demand:
    """Questions, answers and documents of a month, and how long they keep the store running."""

    questions: float
    generated: float
    """Answers that the generator writes. The others come from the cache, or from what is asked
    before it."""
    asked_small: float
    """Questions that a smaller model is asked before the generator."""
    searched: float
    """Questions that need a search: more than ``generated`` when documents change."""
    changed_documents: float
    search_hours: float
    """Hours in which the store must run for searches."""
    indexing_hours: float
    """Hours in which the store must run to index documents."""
    asked_hours: float
    """Clock hours with at least one question."""
    ingest_hours: float
    """Clock hours with at least one document change."""

    @classmethod
    def of(cls, deployment: Deployment, facts: Facts, *, times: float = 1) -> Demand:
        """Return the demand that ``deployment`` declares, with ``times`` as many questions."""
        traffic, knowledge = deployment.traffic, deployment.knowledge
        repetition, first = Repetition.of(deployment), SmallFirst.of(deployment, facts)
        new = traffic.questions_per_month * (1 - repetition.kept) * times
        searches = 1 - repetition.unsearched
        tail = facts("workload/store_tail", "s").mid / 3600
        week = traffic.week()
        searching = sum(_awake(rate.mean_per_hour * searches * times, tail) for rate in week) / len(
            week
        )
        asked = sum(_awake(rate.mean_per_hour * times, 1) for rate in week) / len(week)
        changed = knowledge.documents * knowledge.changed_per_month
        return cls(
            questions=traffic.questions_per_month * times,
            generated=new * first.left,
            asked_small=new * first.asked,
            searched=traffic.questions_per_month * searches * times,
            changed_documents=changed,
            search_hours=searching * HOURS_PER_MONTH,
            indexing_hours=_awake(changed / HOURS_PER_MONTH, tail) * HOURS_PER_MONTH,
            asked_hours=asked * HOURS_PER_MONTH,
            ingest_hours=_awake(changed / HOURS_PER_MONTH, 1) * HOURS_PER_MONTH,
        )


def _awake(per_hour: float, tail_hours: float) -> float:
    """Return the share of time within ``tail_hours`` after a request, for random arrivals."""
    return 1 - math.exp(-per_hour * tail_hours)


def document_tokens(deployment: Deployment, facts: Facts) -> Estimate:
    """Return the tokens of one document, including the overlaps of its chunks."""
    knowledge = deployment.knowledge
    per_token = facts("workload/characters_per_token", "characters")
    characters = knowledge.document_kb * 1024
    overlap = 1 + knowledge.overlap_tokens / knowledge.chunk_tokens
    return per_token.inverse() * characters * overlap


def passages(deployment: Deployment, facts: Facts) -> Estimate:
    """Return into how many passages one document is cut."""
    return document_tokens(deployment, facts) * (1 / deployment.knowledge.chunk_tokens)
