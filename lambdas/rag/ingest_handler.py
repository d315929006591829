"""Keeps the index in line with the documents bucket: S3 events, through SQS.

While there are two generations of the index, both are kept in line: the older one answers until
the newer one is complete.

What fails comes back, sooner at first and later each time (`backoff`). What no waiting cures, such
as a permission that is missing, becomes a dead letter after a few tries. A dead letter that is sent
back to the queue is a request to look at its document again.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from typing import Any
from urllib.parse import unquote_plus

from rag.backoff import pause_s
from rag.clients import client
from rag.custom_resource import respond
from rag.documents import Manifest
from rag.embedding import Embedder
from rag.errors import DeadlineExceeded, Rejected, Unavailable
from rag.heartbeat import beating
from rag.objects import DeadLetters, Objects, Queue
from rag.reading import Reader
from rag.reconcile import Outcome, Predecessor, Reconciler
from rag.refill import Refill, Step
from rag.settings import IngestSettings
from rag.stores.kinds import open_store
from rag.telemetry import emit, logger

_HIDDEN_S = 60
"""How long the queue hides a message without a heartbeat."""
_FIRST_PAUSE_S = 4
_TRIES = 8
"""How often a document is tried whose trouble no waiting cures: about five minutes."""
_PASSING = (DeadlineExceeded, Unavailable)
_STORE_S = 40
_EMBEDDING_S = 25
"""Longest time for one call of the embedding model; it is made four times."""
_FILLING = "filling"
_NO_EVENT = "bad_event"


@dataclass(frozen=True, slots=True)
class _Named:
    """A document that a message names.

    `at` is when it changed, in seconds since the epoch. `letter` is why it was reported before, if
    the message was a dead letter.
    """

    document: str
    at: float | None = None
    letter: Rejected | None = None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any] | None:
    """Work on messages of the queue; report those to send again.

    The stack sends one at a time, so that no document waits for another. CloudFormation calls it,
    too, when the index is to be filled: `Custom::Filling`.
    """
    if "RequestType" in event:
        respond(event, _FILLING, partial(_begin, event))
        return None
    counts, lags = Counter[str](), list[float]()
    failed = [each["messageId"] for each in event["Records"] if not _work_on(each, counts, lags)]
    settings = _settings()
    lag = {"IngestLag": lags} if lags else {}
    emit(settings.deployment, settings.metrics, {**counts, **lag, "Failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _work_on(message: Mapping[str, Any], counts: Counter[str], lags: list[float]) -> bool:
    """Do what a message asks for; return whether it is done with.

    Meanwhile the queue hides it for a minute at a time: so it comes back soon if this process dies.
    """
    body, attributes = message["body"], message["attributes"]
    tries = int(attributes["ApproximateReceiveCount"])
    hide = partial(_queue().hide, message["receiptHandle"])
    done = True
    try:
        with suppress(Exception):  # then it is hidden for as long as its queue says
            hide(_HIDDEN_S)
        with beating(lambda: hide(_HIDDEN_S), every_s=_HIDDEN_S / 3):
            named = () if _walked(body) else _documents(body)
            generations = _in_present_epoch() if named else ()
            for each in named:
                try:
                    _bring_in_line(each, generations, counts, lags)
                except Exception as error:  # one document's trouble is not the others'
                    done &= _given_up(each, error, tries)
    except Rejected as rejection:
        _dead_letters().send(body[:1000], rejection)
    except Exception as error:
        _will_be_tried_again(error, message["messageId"])
        done = False
    if not done:
        age_s = time.time() - int(attributes["ApproximateFirstReceiveTimestamp"]) / 1000
        with suppress(Exception):  # then it comes back when it is no longer hidden
            hide(round(pause_s(tries, _FIRST_PAUSE_S, age_s)))
    return done


def _bring_in_line(
    named: _Named, generations: Sequence[Reconciler], counts: Counter[str], lags: list[float]
) -> None:
    outcomes = _reconcile(generations, named.document)
    newest = outcomes[-1]
    if named.letter and newest.rejected and newest.status == "unchanged":
        _dead_letters().send(named.document, named.letter)
    logger.info("reconciled", document=named.document, status=newest.status)
    counts[f"Documents{newest.status.capitalize()}"] += 1
    for outcome in outcomes:
        counts.update(_metrics(outcome))
    if named.at is not None:
        lags.append((time.time() - named.at) * 1000)


def _given_up(named: _Named, error: Exception, tries: int) -> bool:
    """Report a document that was tried often enough; return whether it was."""
    if tries < _TRIES or isinstance(error, _PASSING):
        _will_be_tried_again(error, named.document)
        return False
    trouble = f"{type(error).__name__}: {error}; tried {tries} times"
    _dead_letters().send(named.document, Rejected("failed", trouble))
    return True


def _will_be_tried_again(error: Exception, what: str) -> None:
    logger.warning(
        "will be tried again", document=what, error=type(error).__name__, detail=str(error)
    )


def _reconcile(generations: Sequence[Reconciler], document: str) -> list[Outcome]:
    """Reconcile a document in each generation, the oldest first: it is the one that answers."""
    outcomes: list[Outcome] = []
    for generation in reversed(generations):
        reported = any(outcome.rejected for outcome in outcomes)
        outcomes.append(generation.reconcile(document, reported=reported))
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


def _documents(body: str) -> list[_Named]:
    """Read the documents that an S3 notification or one of our dead letters names.

    Keys that end in a slash are folders drawn by the console. The test event that S3 sends when
    notifications are set up has no records. Raises `Rejected`.
    """
    try:
        values = json.loads(body)
        if values.get("Event") == "s3:TestEvent":
            return []
        if "reason" in values:
            letter = Rejected(values["reason"], values["message"])
            if letter.reason != _NO_EVENT:
                return [_Named(values["document"], letter=letter)]
            _dead_letters().send(values["document"], letter)
            return []
        named = [
            _Named(
                unquote_plus(record["s3"]["object"]["key"]),
                datetime.fromisoformat(record["eventTime"]).timestamp(),
            )
            for record in values["Records"]
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Rejected(_NO_EVENT, f"not an S3 event ({type(error).__name__})") from error
    return [each for each in named if not each.document.endswith("/")]


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
    bedrock = _connect("bedrock-runtime", attempts=1, connections=concurrency)
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
                dead_letters=_dead_letters(),
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
def _queue() -> Queue:
    return Queue(_connect("sqs"), _settings().queue_url)


@cache
def _dead_letters() -> DeadLetters:
    settings = _settings()
    return DeadLetters(_connect("sqs"), settings.dead_letter_queue_url, settings.documents_bucket)


@cache
def _refill() -> Refill:
    """Return what fills the newest generation."""
    settings, newest = _settings(), _generations()[0]
    return Refill(
        generation=settings.knowledge[0].generation,
        objects=newest.objects,
        manifest=newest.manifest,
        knowledge=newest.knowledge,
        queue=_queue(),
        pipeline=newest.reader.version,
    )


def _connect(service: str, *, attempts: int = 4, connections: int = 10) -> Any:
    # Waiting longer is left to the queue.
    return client(service, read_timeout_s=20, attempts=attempts, connections=connections)
