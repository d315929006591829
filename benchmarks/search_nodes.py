"""Processor time of one search on a real OpenSearch; and the peak of ``prod`` on its node size.

The size of a domain follows from the processor time. Passages have random vectors and words in the
frequencies of a language (Zipf). The processor time does not depend on how many other programs run
beside it, the latency does.

The peak comes at random times, all of it to one node with one vCPU, as if the other nodes of the
domain were lost. The vCPU is one of this computer, and there are fewer passages than in ``prod``:
from 10,000 to 20,000 the processor time of a search rose by 2 %, since a search reads a graph and
rare words, not the whole index. On a slow computer larger sizes are left out, and the peak is
measured on the last one that is there.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import urllib3

from benchmarks.measurement import Measurement
from benchmarks.retrieval import running
from rag.stores.kinds import open_store
from rag.stores.store import KnowledgeStore
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.stores.searching import BUSY_SHARE, searches
from tests.e2e.store_kinds import empty_index

_DEPLOYMENT = Deployment.load("deployments/prod.yaml")
_PASSAGES = (5_000, 10_000, 20_000)
_SEARCHES, _WARM_UP = 100, 30
_BOUND_S = 240
"""Seconds after which no larger index is written."""
_PEAK_S = 60
_AT_ONCE = 16
_WINDOW = 500
_WORDS, _PER_PASSAGE, _PER_QUESTION = 20_000, 150, 10
_WEIGHTS = list(accumulate(1 / (rank + 1) for rank in range(_WORDS)))


def run() -> list[Measurement]:
    """Search an index as the deployment would make it, at several sizes."""
    measured, held, chance = [], 0, random.Random(1)
    with running() as embedded, empty_index(embedded, "es", "search-nodes", _DEPLOYMENT) as index:
        store = open_store(index, timeout_s=60)
        url = embedded.running()["opensearch"].url
        began = time.monotonic()
        for count in _PASSAGES:
            if held and time.monotonic() - began > _BOUND_S:
                break
            print(f"search_nodes: {count:,} passages", file=sys.stderr)
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
        measured += _peak(store, chance, url, held)
    return measured


def _peak(store: KnowledgeStore, chance: random.Random, url: str, held: int) -> list[Measurement]:
    """Search as often as people ask at the peak, whether or not earlier searches have ended."""
    rate = searches(_DEPLOYMENT, _DEPLOYMENT.traffic.peak_per_hour)
    level, facts = _DEPLOYMENT.service_level, Facts()
    assert level.latency_p95
    limit = facts("workload/search_share", "ratio").mid * level.latency_p95.total_seconds()
    _keep_to_one_vcpu(url)
    began, used, due, asked = time.perf_counter(), _processor_s(url), 0.0, []
    with ThreadPoolExecutor(_AT_ONCE) as people:
        while due < _PEAK_S:
            question = _text(chance, _PER_QUESTION), _vector(chance)
            due += chance.expovariate(rate)
            time.sleep(max(0.0, began + due - time.perf_counter()))
            asked.append(people.submit(_ask, store, question, began + due))
        seconds = [each.result() for each in asked]
    busy = (_processor_s(url) - used) / (time.perf_counter() - began)
    in_time = sum(each <= limit for each in seconds) / len(seconds)
    where = f"peak of prod ({rate:.1f}/s), {held:,} passages, one vCPU"
    return [
        Measurement(f"{where}: searches within {limit:g} s", in_time, "", f">= {level.attainment}"),
        Measurement(
            f"{where}: 99th percentile", 1000 * statistics.quantiles(seconds, n=100)[98], "ms"
        ),
        Measurement(f"{where}: busy", busy, "vCPU", f"<= {BUSY_SHARE}"),
    ]


def _ask(store: KnowledgeStore, question: tuple[str, list[float]], due: float) -> float:
    """Return the seconds from when the search was due to its answer."""
    found = store.search(*question, {}, _DEPLOYMENT.answers.candidates)
    assert found.semantic
    return time.perf_counter() - due


def _keep_to_one_vcpu(url: str) -> None:
    if not hasattr(os, "sched_setaffinity"):  # as on macOS: then all processors are measured
        return
    answer = urllib3.request("GET", f"{url}/_nodes/process", timeout=60).json()
    (node,) = answer["nodes"].values()
    vcpu = min(os.sched_getaffinity(0))
    for thread in Path(f"/proc/{node['process']['id']}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {vcpu})


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
        found = store.search(question, vector, {}, _DEPLOYMENT.answers.candidates)
        seconds.append(time.perf_counter() - began)
        assert found.semantic
    return seconds


def _text(chance: random.Random, words: int) -> str:
    ranks = chance.choices(range(_WORDS), cum_weights=_WEIGHTS, k=words)
    return " ".join(f"w{rank}" for rank in ranks)


def _vector(chance: random.Random) -> list[float]:
    numbers = [chance.gauss(0, 1) for _ in range(_DEPLOYMENT.knowledge.embedding.dimensions)]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


def _processor_s(url: str) -> float:
    answer = urllib3.request("GET", f"{url}/_nodes/stats/process", timeout=60).json()
    (node,) = answer["nodes"].values()
    return float(node["process"]["cpu"]["total_in_millis"]) / 1000
