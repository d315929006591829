"""The HTTP API: `POST /answers` and `GET /answers/{id}`."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rag.answering import GENERATION_SHARE, Answering, Trace
from rag.answers import Answers
from rag.clients import client
from rag.embedding import Embedder
from rag.endpoint import Breaker, BridgedGenerator, Copies, EndpointGenerator
from rag.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    Throttled,
    TooLarge,
    Unavailable,
)
from rag.extractive import EXTRACTIVE, ExtractiveGenerator
from rag.generation import BedrockGenerator, Generator
from rag.knowledge import Knowledge
from rag.opensearch import OpenSearch
from rag.prompt import Prompt
from rag.question import parse
from rag.settings import AnswerSettings, EndpointSettings
from rag.telemetry import emit, logger

_PROMPT = Path(__file__).parents[1] / "prompts" / "answer.json"
_LOOK_S = 1
"""Of the generator's time, what looking for an endpoint's copies may take."""
_ERRORS: dict[type[Exception], tuple[int, str]] = {
    InvalidRequest: (400, "invalid_request"),
    NotFound: (404, "not_found"),
    TooLarge: (413, "too_large"),
    Throttled: (429, "throttled"),
    Unavailable: (503, "unavailable"),
    DeadlineExceeded: (504, "deadline_exceeded"),
}
# What the caller may read. Messages of services stay in the log: they can name resources.
_PUBLIC = {
    "throttled": "the model is busy; try again",
    "unavailable": "the knowledge store or the model is not available yet; try again",
    "deadline_exceeded": "the answer took too long",
}


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Serve one request of the HTTP API (payload 2.0)."""
    trace = Trace({"Questions": 1})
    started = time.perf_counter()
    try:
        response = _respond(200, _serve(event, trace))
        trace.metrics["AnswerLatency"] = (time.perf_counter() - started) * 1000
    except Exception as error:  # nothing may reach the caller but what is written here
        response = _failed(error, trace)
    if event.get("routeKey") == "POST /answers":
        emit(os.environ["DEPLOYMENT"], trace.metrics)
    return response


def _serve(event: Mapping[str, Any], trace: Trace) -> dict[str, Any]:
    route = event.get("routeKey")
    if route == "POST /answers":
        limits = _settings().limits
        question = parse(
            event, max_characters=limits.question_characters, max_tokens=limits.max_tokens
        )
        answer = _answering().answer(question, trace)
        logger.info("answered", id=answer["id"], cached=answer["cached"], usage=answer["usage"])
        return answer
    id_ = (event.get("pathParameters") or {}).get("id", "")
    if route == "GET /answers/{id}" and re.fullmatch(r"[0-9a-f]{64}", id_):
        return _answering().stored(id_)
    raise NotFound("there is POST /answers and GET /answers/{id}")


def _failed(error: Exception, trace: Trace) -> dict[str, Any]:
    known = (answer for kind, answer in _ERRORS.items() if isinstance(error, kind))
    status, code = next(known, (500, "internal"))
    message = _PUBLIC.get(code, "something went wrong" if status == 500 else str(error))
    details = {"code": code, "message": message}
    if isinstance(error, InvalidRequest):
        details["field"] = error.field
    # A caller asked to come back is no failure: a sleeping store answers so by design.
    deferred = isinstance(error, Unavailable)
    trace.metrics |= {"Deferred": int(deferred), "Errors": int(status >= 500 and not deferred)}
    if status == 500:
        logger.exception("failed")
    else:
        logger.info("refused", code=code, detail=str(error) if status > 404 else "")
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, Unavailable) else {}
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
    return compose(_settings(), Prompt.parse(json.loads(_PROMPT.read_text())))


def compose(settings: AnswerSettings, prompt: Prompt) -> Answering:
    """Put together what the settings name."""
    limits, knowledge, embedding = settings.limits, settings.knowledge, settings.embedding
    # The steps' time-outs add up to the deadline.
    step_s = limits.deadline_s * (1 - GENERATION_SHARE) / 2
    return Answering(
        answers=Answers(
            client=client("dynamodb", read_timeout_s=2, attempts=2),
            table=settings.answers_table,
            documents_table=settings.documents_table,
            keep_hours=limits.cache_hours,
        ),
        embedder=Embedder(
            client("bedrock-runtime", read_timeout_s=step_s, attempts=2),
            embedding.model,
            embedding.dimensions,
        ),
        knowledge=Knowledge(
            OpenSearch(knowledge.endpoint, knowledge.service, timeout_s=step_s), knowledge.index
        ),
        generator=_generator(settings),
        generator_name=_name(settings),
        prompt=prompt,
        limits=limits,
        footprint=settings.footprint,
    )


def _name(settings: AnswerSettings) -> str:
    """Return whose answers may be used again: those of other models may not."""
    endpoint = settings.endpoint
    return f"{settings.generator_model} {endpoint.model}" if endpoint else settings.generator_model


def _generator(settings: AnswerSettings) -> Generator:
    if settings.generator_model == EXTRACTIVE:
        return ExtractiveGenerator()
    budget_s = settings.limits.deadline_s * GENERATION_SHARE
    if settings.endpoint is None:
        return _bedrock(settings, budget_s)
    return _bridged(settings, settings.endpoint, budget_s - _LOOK_S)


def _bridged(
    settings: AnswerSettings, endpoint: EndpointSettings, budget_s: float
) -> BridgedGenerator:
    longest_s = budget_s / 2 if settings.bedrock_may_answer else budget_s
    timeout_s = min(endpoint.timeout_s or longest_s, longest_s)
    limits = settings.limits
    return BridgedGenerator(
        endpoint=EndpointGenerator(
            client=client("sagemaker-runtime", read_timeout_s=timeout_s, attempts=1),
            endpoint=endpoint.endpoint,
            component=endpoint.component,
            model=endpoint.model,
            temperature=limits.temperature,
            top_p=limits.top_p,
            top_k=limits.top_k,
        ),
        fallback=_bedrock(settings, budget_s - timeout_s) if settings.bedrock_may_answer else None,
        is_awake=_is_awake(endpoint.component),
        breaker=Breaker(),
    )


def _is_awake(component: str | None) -> Callable[[], bool]:
    if component is None:
        return lambda: True  # an endpoint without components never sleeps
    return Copies(client("sagemaker", read_timeout_s=_LOOK_S, attempts=1), component).awake


def _bedrock(settings: AnswerSettings, timeout_s: float) -> BedrockGenerator:
    limits = settings.limits
    # No second try: the caller can tell better than we can whether an answer is still worth it.
    return BedrockGenerator(
        client=client("bedrock-runtime", read_timeout_s=timeout_s, attempts=1),
        model=settings.generator_model,
        temperature=limits.temperature,
        top_p=limits.top_p,
        top_k=limits.top_k,
    )
