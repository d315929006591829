"""Keeps the index in line with the documents bucket: S3 events, through SQS, in batches."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import unquote_plus

from rag.clients import client
from rag.documents import Manifest
from rag.embedding import Embedder
from rag.errors import Rejected
from rag.objects import DeadLetters, Objects
from rag.reading import Reader
from rag.reconcile import Outcome, Reconciler
from rag.settings import IngestSettings
from rag.stores.kinds import open_store
from rag.telemetry import emit, logger

# A document is begun only with this much time left; the rest of the batch comes again.
_RESERVE_S = 90


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile each document that the batch's events name; report the messages to send again."""
    settings, reconciler = _settings(), _reconciler()
    documents: dict[str, list[str]] = {}
    happened: dict[str, float] = {}
    for message in event["Records"]:
        try:
            for document, at in _documents(message["body"]):
                documents.setdefault(document, []).append(message["messageId"])
                happened[document] = min(at, happened.get(document, at))
        except Rejected as rejection:
            reconciler.dead_letters.send(message["body"][:1000], rejection)

    failed: set[str] = set()
    counts: Counter[str] = Counter()
    lags: list[float] = []
    waiting = deque(documents)
    while waiting:
        document = waiting.popleft()
        seconds = context.get_remaining_time_in_millis() / 1000
        try:
            if seconds < _RESERVE_S:
                raise TimeoutError("too little time left for another document")
            outcome = reconciler.reconcile(document, seconds=seconds)
            # A writer that came meanwhile was turned away, and its message is back only when the
            # queue's visibility timeout is over: do its work as well.
            if not reconciler.is_current(document, outcome):
                waiting.append(document)
        except Exception as error:  # one document's trouble is not the others'
            failed.update(documents[document])
            logger.warning(
                "will be tried again",
                document=document,
                error=type(error).__name__,
                detail=str(error),
            )
            continue
        logger.info("reconciled", document=document, status=outcome.status)
        counts.update(_metrics(outcome))
        lags.append((time.time() - happened[document]) * 1000)

    lag = {"IngestLag": lags} if lags else {}
    emit(settings.deployment, settings.metrics, {**counts, **lag, "Failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": message} for message in sorted(failed)]}


def _documents(body: str) -> list[tuple[str, float]]:
    """Keys and event times (seconds since the epoch) in an S3 notification.

    Keys that end in a slash are folders drawn by the console. The test event that S3 sends when
    notifications are set up has no records. Raises `Rejected`.
    """
    try:
        notification = json.loads(body)
        if notification.get("Event") == "s3:TestEvent":
            return []
        named = [
            (
                unquote_plus(record["s3"]["object"]["key"]),
                datetime.fromisoformat(record["eventTime"]).timestamp(),
            )
            for record in notification["Records"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Rejected("bad_event", f"not an S3 event ({type(error).__name__})") from error
    return [(key, at) for key, at in named if not key.endswith("/")]


def _metrics(outcome: Outcome) -> dict[str, int]:
    return {
        f"Documents{outcome.status.capitalize()}": 1,
        "ChunksEmbedded": outcome.embedded,
        "ChunksUnchanged": outcome.unchanged,
        "ChunksDeleted": outcome.deleted,
        "EmbeddingTokens": outcome.embedding_tokens,
    }


@cache
def _settings() -> IngestSettings:
    return IngestSettings.load(os.environ)


@cache
def _reconciler() -> Reconciler:
    settings = _settings()
    limits, embedding = settings.limits, settings.embedding
    concurrency = limits.embedding_concurrency
    # Waiting longer is left to SQS: a message that fails comes back after its visibility timeout.
    connect = partial(client, read_timeout_s=20, attempts=4)
    return Reconciler(
        objects=Objects(connect("s3"), settings.documents_bucket),
        manifest=Manifest(connect("dynamodb"), settings.documents_table),
        knowledge=open_store(settings.knowledge, timeout_s=40),
        embedder=Embedder(
            connect("bedrock-runtime", connections=concurrency),
            embedding.model,
            embedding.dimensions,
            concurrency,
        ),
        dead_letters=DeadLetters(
            connect("sqs"), settings.dead_letter_queue_url, settings.documents_bucket
        ),
        reader=Reader(
            chunk_tokens=limits.chunk_tokens,
            overlap_tokens=limits.overlap_tokens,
            max_document_mb=limits.max_document_mb,
        ),
        scope=f"{embedding.model}/{embedding.dimensions}/{settings.knowledge.index}",
    )
