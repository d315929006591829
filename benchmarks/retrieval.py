"""Retrieval in three languages, as it is deployed locally: its chunks, its models, its limits.

Each set is a folder of documents and questions with known passages. The splits ``report`` and
``held`` are printed. Settings were compared on ``tune`` and ``report``, so ``report`` is no
independent test. ``held`` was written afterwards; only the minimum similarity was lowered for it.

The stores are held against each other on all splits, since no setting is chosen by that.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import yaml

from benchmarks.measurement import Measurement
from local.embedded import EmbeddedAws, free_ports
from rag import retrieval, unicode_text
from rag.embedding import Embedder
from rag.reading import Reader
from rag.settings import KnowledgeSettings
from rag.stores.kinds import open_store
from rag.stores.store import Found, Passage
from sustainability.deployment.schema import Deployment
from tests.e2e.store_kinds import KINDS, empty_index
from tests.unit.rag.fakes import Services

SAMPLES = Path("samples")
SETS = {
    "English": (SAMPLES / "documents", SAMPLES / "questions.yaml"),
    "French": (SAMPLES / "languages/fr", SAMPLES / "languages/fr.yaml"),
    "Japanese": (SAMPLES / "languages/ja", SAMPLES / "languages/ja.yaml"),
}
_PUBLISHED = ("report", "held")
Question = dict[str, Any]
Ranking = Callable[[Found], list[Passage]]


@dataclass(frozen=True)
class Asked:
    """A question and what the store found for it."""

    question: Question
    found: Found

    @property
    def refused(self) -> bool:
        """Whether the answer path stops here."""
        minimum = DEPLOYMENT.answers.minimum_similarity
        return not retrieval.is_relevant(self.question["question"], self.found, minimum)


DEPLOYMENT = Deployment.load("deployments/local.yaml")


def run() -> list[Measurement]:
    """Index each set in every kind of store and search it."""
    measurements, held_against = [], []
    with running() as embedded:
        for language, (documents, file) in SETS.items():
            parity: dict[str, list[Asked]] = {}
            for store, service in KINDS.items():
                name = f"{language}-{service}".lower()
                with empty_index(embedded, service, name, DEPLOYMENT) as index:
                    services = indexed(index, documents)
                    every = yaml.safe_load(file.read_text())
                    parity[store] = [_ask(services, question) for question in every]
            measurements += _measure(language, _published(parity["OpenSearch"]))
            held_against += _parity(language, parity)
            held_against += _spared(language, parity)
    return measurements + held_against


@contextmanager
def running() -> Iterator[EmbeddedAws]:
    """Yield an embedded AWS that this process's boto3 talks to."""
    with tempfile.TemporaryDirectory() as folder:
        embedded = EmbeddedAws(Path(folder), free_ports())
        embedded.start(lambda _: None)
        try:
            with embedded.alone(AWS_DEFAULT_REGION=DEPLOYMENT.region):
                yield embedded
        finally:
            embedded.stop()


def questions(file: Path) -> list[Question]:
    """Return the questions that results are published on."""
    return [q for q in yaml.safe_load(file.read_text()) if q["split"] in _PUBLISHED]


def indexed(index: KnowledgeSettings, documents: Path) -> Services:
    """Return the services of a deployment that holds these documents, cut as it is deployed."""
    knowledge = DEPLOYMENT.knowledge
    bedrock = boto3.client("bedrock-runtime", DEPLOYMENT.region)
    services = Services()
    services.bedrock = bedrock
    services.embedder = Embedder(
        bedrock,
        knowledge.embedding.model,
        knowledge.embedding.dimensions,
        seconds=60,
        concurrency=2,
    )
    services.knowledge = open_store(index, timeout_s=30)
    reader = Reader(
        chunk_tokens=knowledge.chunk_tokens,
        overlap_tokens=knowledge.overlap_tokens,
        max_document_mb=knowledge.max_document_mb,
    )
    reconciler = replace(services.reconciler(), reader=reader)
    for file in sorted(documents.rglob("*.*")):
        key = file.relative_to(documents).as_posix()
        services.s3.objects[key] = file.read_bytes()
        reconciler.reconcile(key)
    services.knowledge.make_visible()
    return services


def _ask(services: Services, question: Question) -> Asked:
    text = unicode_text.normal(question["question"])
    vector, _ = services.embedder.query(text)
    searched = retrieval.search_text(text)
    found = services.knowledge.search(searched, vector, {}, DEPLOYMENT.answers.candidates)
    return Asked(question, found)


def _published(asked: Sequence[Asked]) -> list[Asked]:
    return [each for each in asked if each.question["split"] in _PUBLISHED]


def _measure(language: str, asked: Sequence[Asked]) -> list[Measurement]:
    known = [each for each in asked if each.question["answerable"]]
    rankings: dict[str, Ranking] = {
        "words": lambda found: found.lexical,
        "vectors": lambda found: found.semantic,
        "reciprocal ranks": _reciprocal_ranks,
        "fused": _fused,
    }
    measurements = [
        Measurement(f"{language}: recall@{n}, {name}", _recall(known, ranking, n), "", target)
        for n, target in ((1, ""), (3, "≥ 0.91"), (5, "≥ 0.83"))
        for name, ranking in rankings.items()
    ]
    shown = [_shown(each.found, DEPLOYMENT.answers.evidence_share) for each in known]
    cost = sum(retrieval.context_cost(p) for row in shown for p in row) / len(shown)
    held = sum(_holds(row, each.question) for row, each in zip(shown, known, strict=True))
    far = [each for each in asked if each.question["kind"] == "far"]
    near = [e for e in asked if not e.question["answerable"] and e.question["kind"] != "far"]
    return [
        *measurements,
        Measurement(f"{language}: prompts with the passage", held / len(known), ""),
        Measurement(f"{language}: passages in the prompt", cost, "tokens"),
        Measurement(f"{language}: off-topic refused unasked", _refused(far), ""),
        Measurement(f"{language}: answerable lost", _refused(known), "", "≤ 0.03"),
        Measurement(f"{language}: on-topic, unanswerable, refused unasked", _refused(near), ""),
    ]


def _parity(language: str, found: Mapping[str, Sequence[Asked]]) -> list[Measurement]:
    """Hold every store against OpenSearch: at most one point of a hundred less."""
    rows = []
    for name, measure in (("recall@5", _recall_at_5), ("nDCG@10", _gain_at_10)):
        best = measure(found["OpenSearch"])
        rows += [
            Measurement(
                f"{language}: {name}, {store}",
                measure(asked),
                "",
                "" if store == "OpenSearch" else f"≥ {best - 0.01:.3f}",
            )
            for store, asked in found.items()
        ]
    return rows


def _spared(language: str, found: Mapping[str, Sequence[Asked]]) -> list[Measurement]:
    """Hold the prompts against those with every passage, however far behind the best it is."""
    rows = []
    for store, asked in found.items():
        known = [each for each in _published(asked) if each.question["answerable"]]
        held, every = _prompts(known, 0)
        recall, tokens = _prompts(known, DEPLOYMENT.answers.evidence_share)
        rows += [
            Measurement(
                f"{language}: prompts with the passage, {store}", recall, "", f"≥ {held:.3f}"
            ),
            Measurement(
                f"{language}: tokens of passages spared, {store}", 1 - tokens / every, "", "≥ 0.15"
            ),
        ]
    return rows


def _prompts(asked: Sequence[Asked], evidence_share: float) -> tuple[float, int]:
    """Return the share of prompts with an answer, and the tokens of all their passages."""
    shown = [_shown(each.found, evidence_share) for each in asked]
    held = sum(_holds(row, each.question) for row, each in zip(shown, asked, strict=True))
    return held / len(asked), sum(retrieval.context_cost(p) for row in shown for p in row)


def _recall_at_5(asked: Sequence[Asked]) -> float:
    known = [each for each in asked if each.question["answerable"]]
    return _recall(known, _fused, 5)


def _gain_at_10(asked: Sequence[Asked]) -> float:
    """Return the mean of 1 / log2(1 + rank) of the first passage that holds the answer.

    That is nDCG@10 with one relevant passage for each question: one is all that an answer needs.
    """
    known = [each for each in asked if each.question["answerable"]]
    gains = 0.0
    for each in known:
        ranks = enumerate(_fused(each.found)[:10], start=1)
        rank = next((rank for rank, p in ranks if _holds([p], each.question)), None)
        gains += 1 / math.log2(1 + rank) if rank else 0
    return gains / len(known)


def _fused(found: Found) -> list[Passage]:
    return retrieval.fuse(found.lexical, found.semantic)


def _refused(asked: Sequence[Asked]) -> float:
    return sum(each.refused for each in asked) / len(asked)


def _recall(asked: Sequence[Asked], ranking: Ranking, n: int) -> float:
    return sum(_holds(ranking(each.found)[:n], each.question) for each in asked) / len(asked)


def _reciprocal_ranks(found: Found) -> list[Passage]:
    """Return the usual fusion, to compare with: 1 / (60 + rank), summed."""
    scores: dict[str, float] = {}
    for ranking in (found.semantic, found.lexical):
        for rank, passage in enumerate(ranking, start=61):
            scores[passage.id] = scores.get(passage.id, 0) + 1 / rank
    by_id = {passage.id: passage for passage in (*found.semantic, *found.lexical)}
    return sorted(by_id.values(), key=lambda passage: -scores[passage.id])


def _shown(found: Found, evidence_share: float) -> list[Passage]:
    answers = DEPLOYMENT.answers
    return retrieval.select(
        _fused(found),
        passages=answers.passages,
        context_tokens=answers.context_tokens,
        evidence_share=evidence_share,
    )


def _holds(passages: Sequence[Passage], question: Question) -> bool:
    return any(
        passage.document == wanted["document"]
        and " ".join(wanted["contains"].split()) in " ".join(passage.text.split())
        for passage in passages
        for wanted in question["relevant"]
    )
