"""Retrieval in three languages, as it is deployed locally: its chunks, its models, its limits.

Each set is a folder of documents and questions with known passages. The ``report`` split is
printed. It is no independent test: settings were compared on the questions of both splits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import urllib3
import yaml

from benchmarks.measurement import Measurement
from local.embedded import EmbeddedAws, free_ports
from local.opensearch import local_mapping
from rag import retrieval, unicode_text
from rag.embedding import Embedder
from rag.reading import Reader
from rag.stores.opensearch import OpenSearch
from rag.stores.signed import SignedHttp
from rag.stores.store import Found, Passage
from stacks.stores.domain import domain_index
from sustainability.deployment.schema import Deployment
from tests.unit.rag.fakes import Services

SAMPLES = Path("samples")
SETS = {
    "English": (SAMPLES / "documents", SAMPLES / "questions.yaml"),
    "French": (SAMPLES / "languages/fr", SAMPLES / "languages/fr.yaml"),
    "Japanese": (SAMPLES / "languages/ja", SAMPLES / "languages/ja.yaml"),
}
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
    """Index each set in a real OpenSearch and search it."""
    measurements = []
    with running() as embedded:
        for language, (documents, file) in SETS.items():
            services = indexed(embedded, language, documents)
            asked = [_ask(services, question) for question in questions(file)]
            measurements += _measure(language, asked)
    return measurements


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
    """Return the questions of the split that results are published on."""
    return [q for q in yaml.safe_load(file.read_text()) if q["split"] == "report"]


def indexed(embedded: EmbeddedAws, language: str, documents: Path) -> Services:
    """Return the services of a deployment that holds these documents, cut as it is deployed."""
    urls = {name: server.url for name, server in embedded.running().items()}
    knowledge, index = DEPLOYMENT.knowledge, language.lower()
    body = local_mapping(domain_index(DEPLOYMENT, replicas=0))
    urllib3.request("PUT", f"{urls['opensearch']}/{index}", json=body)
    bedrock = boto3.client("bedrock-runtime", DEPLOYMENT.region, endpoint_url=urls["models"])
    services = Services()
    services.bedrock = bedrock
    services.embedder = Embedder(
        bedrock, knowledge.embedding.model, knowledge.embedding.dimensions, concurrency=2
    )
    services.knowledge = OpenSearch(SignedHttp(urls["opensearch"], "es", timeout_s=30), index)
    reader = Reader(
        chunk_tokens=knowledge.chunk_tokens,
        overlap_tokens=knowledge.overlap_tokens,
        max_document_mb=knowledge.max_document_mb,
    )
    reconciler = replace(services.reconciler(), reader=reader)
    for file in sorted(documents.rglob("*.*")):
        key = file.relative_to(documents).as_posix()
        services.s3.objects[key] = file.read_bytes()
        reconciler.reconcile(key, seconds=300)
    return services


def _ask(services: Services, question: Question) -> Asked:
    text = unicode_text.normal(question["question"])
    vector, _ = services.embedder.query(text)
    searched = retrieval.search_text(text)
    found = services.knowledge.search(searched, vector, {}, DEPLOYMENT.answers.candidates)
    return Asked(question, found)


def _measure(language: str, asked: Sequence[Asked]) -> list[Measurement]:
    known = [each for each in asked if each.question["answerable"]]
    rankings: dict[str, Ranking] = {
        "words": lambda found: found.lexical,
        "vectors": lambda found: found.semantic,
        "reciprocal ranks": _reciprocal_ranks,
        "fused": lambda found: retrieval.fuse(found.lexical, found.semantic),
    }
    measurements = [
        Measurement(f"{language}: recall@{n}, {name}", _recall(known, ranking, n), "", target)
        for n, target in ((1, ""), (3, "≥ 0.91"), (5, "≥ 0.83"))
        for name, ranking in rankings.items()
    ]
    shown = [_shown(each.found) for each in known]
    cost = sum(retrieval.context_cost(p) for row in shown for p in row) / len(shown)
    held = sum(_holds(row, each.question) for row, each in zip(shown, known, strict=True))
    far = [each for each in asked if each.question["kind"] == "far"]
    near = [e for e in asked if not e.question["answerable"] and e.question["kind"] != "far"]
    return [
        *measurements,
        Measurement(f"{language}: prompts with the passage", held / len(known), ""),
        Measurement(f"{language}: passages in the prompt", cost, "tokens"),
        Measurement(f"{language}: off-topic refused unasked", _refused(far), "", "≥ 0.95"),
        Measurement(f"{language}: answerable lost", _refused(known), "", "≤ 0.03"),
        Measurement(f"{language}: on-topic, unanswerable, refused unasked", _refused(near), ""),
    ]


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


def _shown(found: Found) -> list[Passage]:
    answers = DEPLOYMENT.answers
    return retrieval.select(
        retrieval.fuse(found.lexical, found.semantic),
        passages=answers.passages,
        context_tokens=answers.context_tokens,
    )


def _holds(passages: Sequence[Passage], question: Question) -> bool:
    return any(
        passage.document == wanted["document"]
        and " ".join(wanted["contains"].split()) in " ".join(passage.text.split())
        for passage in passages
        for wanted in question["relevant"]
    )
