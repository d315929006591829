"""Retrieval on the golden questions of the sample handbook, with the local embedding model.

Thresholds were chosen on the ``tune`` split; everything here is measured on the ``report`` split.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import urllib3
import yaml

from benchmarks.measurement import Measurement
from local.embedded import EmbeddedAws, free_ports
from local.opensearch import local_mapping
from rag import retrieval
from rag.embedding import Embedder
from rag.stores.opensearch import OpenSearch
from rag.stores.signed import SignedHttp
from rag.stores.store import Found, Passage
from stacks.stores.domain import domain_index
from sustainability.deployment.schema import Deployment
from tests.unit.rag.fakes import Services

SAMPLES = Path("samples/documents")
Question = dict[str, Any]


def run() -> list[Measurement]:
    """Index the samples in a real OpenSearch and search it."""
    deployment = Deployment.load("deployments/local.yaml")
    questions = [
        question
        for question in yaml.safe_load(Path("samples/questions.yaml").read_text())
        if question["split"] == "report"
    ]
    with tempfile.TemporaryDirectory() as folder:
        embedded = EmbeddedAws(Path(folder), free_ports())
        embedded.start(lambda _: None)
        try:
            os.environ.update(embedded.environment() | {"AWS_DEFAULT_REGION": deployment.region})
            found = _search(embedded, deployment, questions)
        finally:
            embedded.stop()
    return [
        *_ranking(questions, found),
        *_abstention(deployment, questions, found),
        *_context(deployment, found),
    ]


def _search(
    embedded: EmbeddedAws, deployment: Deployment, questions: Sequence[Question]
) -> list[Found]:
    urls = {name: server.url for name, server in embedded.running().items()}
    body = local_mapping(domain_index(deployment, replicas=0))
    urllib3.request("PUT", f"{urls['opensearch']}/documents", json=body)
    bedrock = boto3.client("bedrock-runtime", deployment.region, endpoint_url=urls["models"])
    embedding = deployment.knowledge.embedding
    services = Services()
    services.embedder = Embedder(bedrock, embedding.model, embedding.dimensions, concurrency=2)
    services.knowledge = OpenSearch(SignedHttp(urls["opensearch"], "es", timeout_s=30), "documents")
    for file in SAMPLES.rglob("*.*"):
        key = file.relative_to(SAMPLES).as_posix()
        services.s3.objects[key] = file.read_bytes()
        services.reconciler().reconcile(key, seconds=300)
    candidates = deployment.answers.candidates
    return [
        services.knowledge.search(
            question["question"], services.embedder.query(question["question"])[0], {}, candidates
        )
        for question in questions
    ]


def _ranking(questions: Sequence[Question], found: Sequence[Found]) -> list[Measurement]:
    rankings: dict[str, Callable[[Found], list[Passage]]] = {
        "words": lambda hits: hits.lexical,
        "vectors": lambda hits: hits.semantic,
        "fused": lambda hits: retrieval.fuse(hits.lexical, hits.semantic),
    }
    measurements = []
    for name, ranking in rankings.items():
        relevant = [
            [_is_relevant(passage, question) for passage in ranking(hits)]
            for question, hits in zip(questions, found, strict=True)
            if question["answerable"]
        ]
        recall = sum(any(row[:5]) for row in relevant) / len(relevant)
        gain = sum(
            next((1 / math.log2(rank + 2) for rank, hit in enumerate(row[:10]) if hit), 0)
            for row in relevant
        )
        measurements += [
            Measurement(f"recall@5, {name}", recall, ""),
            Measurement(f"nDCG@10, {name}", gain / len(relevant), ""),
        ]
    return measurements


def _is_relevant(passage: Passage, question: Question) -> bool:
    text = " ".join(passage.text.split())
    return any(
        passage.document == wanted["document"] and " ".join(wanted["contains"].split()) in text
        for wanted in question["relevant"]
    )


def _abstention(
    deployment: Deployment, questions: Sequence[Question], found: Sequence[Found]
) -> list[Measurement]:
    minimum = deployment.answers.minimum_similarity
    abstained = [
        not retrieval.is_relevant(question["question"], hits, minimum)
        for question, hits in zip(questions, found, strict=True)
    ]
    right = sum(
        not question["answerable"]
        for question, silent in zip(questions, abstained, strict=True)
        if silent
    )
    unanswerable = sum(not question["answerable"] for question in questions)
    return [
        Measurement("abstention before the generator, precision", right / sum(abstained), ""),
        Measurement("abstention before the generator, recall", right / unanswerable, ""),
    ]


def _context(deployment: Deployment, found: Sequence[Found]) -> list[Measurement]:
    answers = deployment.answers
    fused = [retrieval.fuse(hits.lexical, hits.semantic) for hits in found]
    chosen = [
        retrieval.select(row, passages=answers.passages, context_tokens=answers.context_tokens)
        for row in fused
    ]
    plain = [row[:10] for row in fused]

    def mean(rows: Sequence[Sequence[Passage]]) -> float:
        return sum(retrieval.context_cost(passage) for row in rows for passage in row) / len(rows)

    return [
        Measurement("context of an answer", mean(chosen), "tokens"),
        Measurement("context of a plain top 10", mean(plain), "tokens"),
    ]
