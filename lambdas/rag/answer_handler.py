"""The HTTP API: `POST /answers` and `GET /answers/{id}`."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from rag import prompt_source
from rag.answering import Answering, Trace
from rag.answers import Answer, Pending
from rag.clients import within
from rag.errors import (
    DeadlineExceeded,
    Indexing,
    InvalidRequest,
    NotFound,
    Throttled,
    TooLarge,
    Unanswered,
    Unavailable,
)
from rag.question import parse
from rag.settings import AnswerSettings
from rag.telemetry import emit, logger
from rag.wiring import wire

_LAST_S = 1
"""What a call may take longer than its deadline; then the caller is told so, whatever hangs."""
_ERRORS: dict[type[Exception], tuple[int, str]] = {
    InvalidRequest: (400, "invalid_request"),
    NotFound: (404, "not_found"),
    TooLarge: (413, "too_large"),
    Throttled: (429, "throttled"),
    Indexing: (503, "indexing"),
    Unavailable: (503, "unavailable"),
    DeadlineExceeded: (504, "deadline_exceeded"),
    Unanswered: (502, "unanswered"),
}
# Messages for callers. Messages of AWS services stay in the log: they can name resources.
_PUBLIC = {
    "throttled": "the model is busy; try again",
    "indexing": "the documents are being indexed; try again",
    "unavailable": "the knowledge store or the model is not available yet; try again",
    "deadline_exceeded": "the answer took too long; try again",
}


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Serve one request of the HTTP API (payload 2.0)."""
    asks = event.get("routeKey") == "POST /answers"
    trace = Trace({"Questions": 1} if asks else {})
    started = time.perf_counter()
    try:
        serve = _ask if asks else _fetch
        patience_s = _settings().limits.deadline_s + _LAST_S
        answer = within(patience_s, "answer", lambda: serve(event, trace))
        response = _later(answer) if isinstance(answer, Pending) else _respond(200, answer)
        if asks:
            trace.metrics["AnswerLatency"] = (time.perf_counter() - started) * 1000
    except Exception as error:  # callers see only the messages above
        response = _failed(error, trace)
    if trace.metrics:
        emit(os.environ["DEPLOYMENT"], os.environ["METRICS"].split(), trace.metrics)
    return response


def _ask(event: Mapping[str, Any], trace: Trace) -> Answer | Pending:
    limits = _settings().limits
    question = parse(
        event,
        max_characters=limits.question_characters,
        max_tokens=limits.max_tokens,
        detail=limits.detail,
    )
    answer = _answering().answer(question, trace)
    if isinstance(answer, Pending):
        logger.info("pending", id=answer.draft.id)
    else:
        logger.info("answered", id=answer["id"], cached=answer["cached"], usage=answer["usage"])
    return answer


def _fetch(event: Mapping[str, Any], trace: Trace) -> Answer | Pending:
    id_ = (event.get("pathParameters") or {}).get("id", "")
    if event.get("routeKey") == "GET /answers/{id}" and re.fullmatch(r"[0-9a-f]{64}", id_):
        return _answering().stored(id_, trace)
    raise NotFound("there is POST /answers and GET /answers/{id}")


def _later(pending: Pending) -> dict[str, Any]:
    id_, expected_by = pending.draft.id, datetime.fromtimestamp(pending.expected_by, UTC)
    return _respond(
        202,
        {"id": id_, "status": "pending", "expected_by": f"{expected_by:%Y-%m-%dT%H:%M:%SZ}"},
        {
            "Location": f"/answers/{id_}",
            "Retry-After": str(_answering().retry_after_s(pending)),
        },
    )


def _failed(error: Exception, trace: Trace) -> dict[str, Any]:
    known = (answer for kind, answer in _ERRORS.items() if isinstance(error, kind))
    status, code = next(known, (500, "internal"))
    message = _PUBLIC.get(code, "something went wrong" if status == 500 else str(error))
    details = {"code": code, "message": message}
    if isinstance(error, InvalidRequest):
        details["field"] = error.field
    # A 503 with `Retry-After` is no failure: it is the normal answer while a store starts.
    deferred = isinstance(error, Unavailable)
    trace.metrics |= {"Deferred": int(deferred), "Errors": int(status >= 500 and not deferred)}
    if status == 500:
        logger.exception("failed")
    else:
        logger.info("refused", code=code, detail=str(error) if status > 404 else "")
    headers = {}
    if isinstance(error, Unavailable | DeadlineExceeded):
        headers["Retry-After"] = str(error.retry_after_s)
    return _respond(status, {"error": details}, headers)


def _respond(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": json.dumps(body),
    }


@cache
def _settings() -> AnswerSettings:
    return AnswerSettings.load(os.environ)


@cache
def _answering() -> Answering:
    return wire(_settings(), prompt_source.load(_settings().prompt))
