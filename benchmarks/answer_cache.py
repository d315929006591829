"""The answer cache while documents change: the answer path, with services in memory.

A week of ``prod``'s changes: 2,000 of 20,000 documents a month. Each document has a subject of its
own. Questions are about 200 of them, and repeat as a Zipf distribution has it. A few documents
stand for all others, so that what fills the prompt changes more often than it does there.
"""

from __future__ import annotations

import random
from itertools import accumulate

from benchmarks.measurement import Measurement
from rag.answering import Trace
from rag.question import Question
from tests.unit.rag.fakes import Services

_DOCUMENTS, _OTHERS, _ALL = 200, 50, 20_000
_QUESTIONS, _ASKED, _SEED = 1500, 2000, 1
_WEEK_S = 7 * 24 * 3600
_CHANGES = round(2000 * 7 / 30.4)


def run() -> list[Measurement]:
    """Ask the same questions without and with changes."""
    calm, _ = _week(changes=0)
    kept, unsearched = _week(changes=_CHANGES)
    return [
        Measurement("answered by the cache, no document changes", 100 * calm, "%"),
        Measurement(f"answered by the cache, {_CHANGES} changes", 100 * kept, "%"),
        Measurement("of these without a search", 100 * unsearched / kept, "%"),
        Measurement("hits kept", 100 * kept / calm, "%", "at least 90"),
    ]


def _week(*, changes: int) -> tuple[float, float]:
    """Return the share of questions that the cache answers, and answers without a search."""
    chance, services = random.Random(_SEED), Services()
    writer = random.Random(_SEED + 1)  # so that both weeks have the same questions
    for number in range(_DOCUMENTS + _OTHERS):
        _write(services, writer, number)
    started = services.world.now
    asked = sorted(chance.uniform(0, _WEEK_S) for _ in range(_ASKED))
    changed = sorted(writer.uniform(0, _WEEK_S) for _ in range(changes))
    weights = list(accumulate(1 / (rank + 1) for rank in range(_QUESTIONS)))
    subjects = [chance.randrange(_DOCUMENTS) for _ in range(_QUESTIONS)]
    answering = services.answering(minimum_similarity=0.05)
    hits = unsearched = 0
    for moment in asked:
        while changed and changed[0] <= moment:
            services.world.now = started + changed.pop(0)
            number = writer.randrange(_ALL)
            _write(
                services, writer, number if number < _DOCUMENTS else _DOCUMENTS + number % _OTHERS
            )
        services.world.now = started + moment
        (rank,) = chance.choices(range(_QUESTIONS), cum_weights=weights)
        trace = Trace()
        text = f"What does number {rank} say of {_subject(subjects[rank])}?"
        answering.answer(Question(text, {}, 300), trace)
        hits += "CacheHits" in trace.metrics
        unsearched += "CacheHits" in trace.metrics and "EmbeddingTokens" not in trace.metrics
    return hits / _ASKED, unsearched / _ASKED


def _write(services: Services, chance: random.Random, number: int) -> None:
    subject = _subject(number)
    value = chance.randrange(10**6)
    services.add(**{f"d{number}": f"# {subject}\n\nOf {subject} the value is {value}."})


def _subject(number: int) -> str:
    """Return two words that no other document has."""
    chance = random.Random(number)
    return " ".join("".join(chance.choices("bcdfglmnprstvz", k=7)) for _ in range(2))
