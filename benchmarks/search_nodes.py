"""Processor time of one search on a real OpenSearch, from which the size of a domain follows.

Passages have random vectors and words in the frequencies of a language (Zipf). The number does not
depend on how many other programs run beside it, the latency does.
"""

from __future__ import annotations

import random
import statistics
import time
from itertools import accumulate

import urllib3

from benchmarks.measurement import Measurement
from benchmarks.retrieval import DEPLOYMENT, running
from rag.stores.kinds import open_store
from rag.stores.store import KnowledgeStore
from tests.e2e.store_kinds import empty_index

_PASSAGES = (5_000, 10_000, 20_000)
_SEARCHES, _WARM_UP = 300, 100
_WINDOW = 500
_WORDS, _PER_PASSAGE, _PER_QUESTION = 20_000, 150, 10
_WEIGHTS = list(accumulate(1 / (rank + 1) for rank in range(_WORDS)))


def run() -> list[Measurement]:
    """Search an index as the deployment would make it, at several sizes."""
    measured, held, chance = [], 0, random.Random(1)
    with running() as embedded, empty_index(embedded, "es", "search-nodes", DEPLOYMENT) as index:
        store = open_store(index, timeout_s=60)
        url = embedded.running()["opensearch"].url
        for count in _PASSAGES:
            _write(store, chance, held, count)
            held = count
            _search(store, chance, _WARM_UP)
            before = _processor_s(url)
            seconds = _search(store, chance, _SEARCHES)
            used = (_processor_s(url) - before) / _SEARCHES
            slow = statistics.quantiles(seconds, n=20)[18]
            measured += [
                Measurement(f"{count:,} passages: processor per search", 1000 * used, "ms"),
                Measurement(f"{count:,} passages: 95th percentile of a search", 1000 * slow, "ms"),
            ]
    return measured


def _write(store: KnowledgeStore, chance: random.Random, start: int, end: int) -> None:
    for first in range(start, end, _WINDOW):
        store.write(
            (f"p{number}", _passage(chance, number)) for number in range(first, first + _WINDOW)
        )
    store.make_visible()


def _passage(chance: random.Random, number: int) -> dict[str, object]:
    return {
        "document": f"d{number // 20}.md",
        "collection": "",
        "format": "md",
        "title": f"Document {number // 20}",
        "section": "",
        "text": _text(chance, _PER_PASSAGE),
        "position": number % 20,
        "embedding": _vector(chance),
    }


def _search(store: KnowledgeStore, chance: random.Random, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        question, vector = _text(chance, _PER_QUESTION), _vector(chance)
        began = time.perf_counter()
        found = store.search(question, vector, {}, DEPLOYMENT.answers.candidates)
        seconds.append(time.perf_counter() - began)
        assert found.semantic
    return seconds


def _text(chance: random.Random, words: int) -> str:
    ranks = chance.choices(range(_WORDS), cum_weights=_WEIGHTS, k=words)
    return " ".join(f"w{rank}" for rank in ranks)


def _vector(chance: random.Random) -> list[float]:
    numbers = [chance.gauss(0, 1) for _ in range(DEPLOYMENT.knowledge.embedding.dimensions)]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _processor_s(url: str) -> float:
    answer = urllib3.request("GET", f"{url}/_nodes/stats/process", timeout=60).json()
    (node,) = answer["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000
