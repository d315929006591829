"""docs/openapi.yaml says what the function does: schemathesis makes requests from it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rag import answer_handler
from rag.answering import Answering
from rag.errors import DeadlineExceeded, Indexing, Throttled, Unanswered, Unavailable
from rag.settings import AnswerSettings
from tests import api_document
from tests.unit.rag.fakes import Services
from tests.unit.rag.test_answer_handler import ENVIRONMENT, get, post

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def gateway(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Do in WSGI what an HTTP API does: choose the route, and call the function."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    before, _, id_ = path.rpartition("/")
    response: dict[str, Any]
    if path == "/openapi.json":
        response = {"statusCode": 200, "headers": {}, "body": json.dumps(api_document.DOCUMENT)}
    elif (method, path) != ("POST", "/answers") and (method, before) != ("GET", "/answers"):
        response = refusal(404, "Not Found")
    elif not environ.get("HTTP_AUTHORIZATION"):
        response = refusal(403, "Forbidden")
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        event = {
            "routeKey": "POST /answers" if method == "POST" else "GET /answers/{id}",
            "pathParameters": {"id": id_},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        response = answer_handler.handler(event, None)
    start_response(f"{response['statusCode']} Status", list(response["headers"].items()))
    return [response["body"].encode()]


def refusal(status: int, message: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps({"message": message})}


schema = schemathesis.openapi.from_wsgi("/openapi.json", gateway)


@pytest.fixture(scope="module")
def services() -> Iterable[Services]:
    services = Services()
    services.add(stations="# Stations\n\nThe Kestrel station is powered by wind turbines.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_handler, "_settings", lambda: AnswerSettings.load(ENVIRONMENT))
        patch.setattr(answer_handler, "_answering", services.answering)
        yield services


@schema.parametrize()
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_request_that_the_document_allows_or_forbids_is_answered_as_it_says(
    services: Services, case: schemathesis.Case
) -> None:
    case.call_and_validate(checks=CHECKS)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Throttled("s"), 429),
        (Indexing("s"), 503),
        (Unavailable("s"), 503),
        (DeadlineExceeded("s"), 504),
        (Unanswered("ask again"), 502),
        (RuntimeError("s"), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_trouble_is_in_the_document(
    services: Services, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Answering, "answer", fail)
    monkeypatch.setattr(Answering, "stored", fail)
    for response in (post({"question": "Why?"}), get("0" * 64)):
        answered, headers, body = response
        assert answered == status
        api_document.check(status, body, {name.lower(): value for name, value in headers.items()})
        assert body["error"]["code"] in _codes()
        assert (status in (429, 503, 504)) == ("Retry-After" in headers)


def test_every_code_of_the_function_is_in_the_document() -> None:
    assert _codes() == {code for _, code in answer_handler._ERRORS.values()} | {"internal"}


def _codes() -> set[str]:
    error = api_document.DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]
    return set(error["properties"]["code"]["enum"])
