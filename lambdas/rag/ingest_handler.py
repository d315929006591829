"""Keeps the index in line with the documents bucket: S3 events, through SQS, in batches.

While there are two generations of the index, both are kept in line: the older one answers until
the newer one is complete.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import unquote_plus

from rag.clients import client
from rag.custom_resource import respond
from rag.documents import Manifest
from rag.embedding import Embedder
from rag.errors import Rejected
from rag.objects import DeadLetters, Objects, Queue
from rag.reading import Reader
from rag.reconcile import Outcome, Predecessor, Reconciler
from rag.refill import Refill, Step
from rag.settings import IngestSettings
from rag.stores.kinds import open_store
from rag.telemetry import emit, logger

# A document is begun only with this much time left; the rest of the batch comes again.
_RESERVE_S = 90
_STORE_S = 40
_EMBEDDING_S = 100
"""Longest time for one call of the embedding model, with its retries."""
_FILLING = "filling"


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any] | None:
    """Work on a batch of messages; report those to send again.

    CloudFormation calls it, too, when the index is to be filled: `Custom::Filling`.
    """
    if "RequestType" in event:
        respond(event, _FILLING, partial(_begin, event))
        return None
    documents: dict[str, list[str]] = {}
    happened: dict[str, float] = {}
    failed: set[str] = set()
    for message in event["Records"]:
        try:
            if not _walked(message["body"]):
                for document, at in _documents(message["body"]):
                    documents.setdefault(document, []).append(message["messageId"])
                    happened[document] = min(at, happened.get(document, at))
        except Rejected as rejection:
            _generations()[0].dead_letters.send(message["body"][:1000], rejection)
        except Exception as error:  # one message's trouble is not the others'
            failed.add(message["messageId"])
            _will_be_tried_again(error, message["messageId"])

    counts: Counter[str] = Counter()
    lags: list[float] = []
    waiting = deque(documents)
    generations = _in_present_epoch() if documents else []
    while waiting:
        document = waiting.popleft()
        seconds = context.get_remaining_time_in_millis() / 1000
        try:
            if seconds < _RESERVE_S:
                raise TimeoutError("too little time left for another document")
            outcomes = _reconcile(generations, document, seconds)
            # A writer that came meanwhile was turned away, and its message is back only when the
            # queue's visibility timeout is over: do its work as well.
            if not generations[0].is_current(document, outcomes[-1]):
                waiting.append(document)
        except Exception as error:  # one document's trouble is not the others'
            failed.update(documents[document])
            _will_be_tried_again(error, document)
            continue
        logger.info("reconciled", document=document, status=outcomes[-1].status)
        counts[f"Documents{outcomes[-1].status.capitalize()}"] += 1
        for outcome in outcomes:
            counts.update(_metrics(outcome))
        lags.append((time.time() - happened[document]) * 1000)

    settings = _settings()
    lag = {"IngestLag": lags} if lags else {}
    emit(settings.deployment, settings.metrics, {**counts, **lag, "Failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": message} for message in sorted(failed)]}


def _will_be_tried_again(error: Exception, what: str) -> None:
    logger.warning(
        "will be tried again", document=what, error=type(error).__name__, detail=str(error)
    )


def _reconcile(generations: Sequence[Reconciler], document: str, seconds: float) -> list[Outcome]:
    """Reconcile a document in each generation, the oldest first: it is the one that answers."""
    outcomes: list[Outcome] = []
    for generation in reversed(generations):
        reported = any(outcome.rejected for outcome in outcomes)
        outcomes.append(generation.reconcile(document, seconds=seconds, reported=reported))
    return outcomes


def _in_present_epoch() -> list[Reconciler]:
    return [replace(each, epoch=each.manifest.index().epoch) for each in _generations()]


def _begin(event: Mapping[str, Any]) -> str:
    if event["RequestType"] != "Delete":  # with the generation its index and its manifest go
        _refill().begin()
    return _FILLING


def _walked(body: str) -> bool:
    """Whether a message is about a walk through the bucket, which has then gone on by a step."""
    try:
        values = json.loads(body)
    except ValueError:
        return False
    if not isinstance(values, dict):
        return False
    if "walk" in values:
        step, refill = Step.parse(values["walk"]), _refill()
        if step.generation == refill.generation:
            refill.advance(step)
    elif "reindex" in values:
        _refill().begin(forget=bool(values["reindex"].get("forget")))
    else:
        return False
    return True


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
        "ChunksEmbedded": outcome.embedded,
        "ChunksReused": outcome.reused,
        "ChunksUnchanged": outcome.unchanged,
        "ChunksDeleted": outcome.deleted,
        "EmbeddingTokens": outcome.embedding_tokens,
    }


@cache
def _settings() -> IngestSettings:
    return IngestSettings.load(os.environ)


@cache
def _generations() -> Sequence[Reconciler]:
    """Return what brings each generation of the index in line, the newest first."""
    settings = _settings()
    limits = settings.limits
    concurrency = limits.embedding_concurrency
    bedrock = _connect("bedrock-runtime", connections=concurrency)
    reconcilers: list[Reconciler] = []
    for each in reversed(settings.knowledge):
        store = open_store(each, timeout_s=_STORE_S)
        before = reconcilers[0] if reconcilers else None
        embedder = Embedder(bedrock, each.model, each.dimensions, _EMBEDDING_S, concurrency)
        reconcilers.insert(
            0,
            Reconciler(
                objects=Objects(_connect("s3"), settings.documents_bucket),
                manifest=Manifest(_connect("dynamodb"), each.table),
                knowledge=store,
                embedder=embedder,
                dead_letters=DeadLetters(
                    _connect("sqs"), settings.dead_letter_queue_url, settings.documents_bucket
                ),
                reader=Reader(
                    chunk_tokens=limits.chunk_tokens,
                    overlap_tokens=limits.overlap_tokens,
                    max_document_mb=limits.max_document_mb,
                ),
                predecessor=Predecessor(before.knowledge)
                if before and before.embedder == embedder
                else None,
            ),
        )
    return reconcilers


@cache
def _refill() -> Refill:
    """Return what fills the newest generation."""
    settings, newest = _settings(), _generations()[0]
    return Refill(
        generation=settings.knowledge[0].generation,
        objects=newest.objects,
        manifest=newest.manifest,
        knowledge=newest.knowledge,
        queue=Queue(_connect("sqs"), settings.queue_url),
        pipeline=newest.reader.version,
    )


def _connect(service: str, connections: int = 10) -> Any:
    # Waiting longer is left to SQS: a message that fails comes back after its visibility timeout.
    return client(service, read_timeout_s=20, attempts=4, connections=connections)
