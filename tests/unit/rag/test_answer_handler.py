from __future__ import annotations

import base64
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import answer_handler
from rag.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Throttled,
    TooLarge,
    Unavailable,
)
from rag.question import parse
from rag.settings import AnswerSettings
from rag.stores.store import StoreError
from rag.telemetry import logger
from tests.unit.rag.fakes import FOOTPRINT, KNOWLEDGE, LIMITS, Services, service_error

ENVIRONMENT = {
    "KNOWLEDGE": json.dumps([KNOWLEDGE]),
    "GENERATOR_MODEL": "model",
    "ANSWERS_TABLE": "answers",
    "PROMPT": "answer",
    "ANSWER_SETTINGS": json.dumps(LIMITS),
    "FOOTPRINT": json.dumps(FOOTPRINT),
    "DEPLOYMENT": "test",
}
SECRET = "secret-resource-name"


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    services.add(stations="# Stations\n\nThe Kestrel station is powered by wind turbines.")
    monkeypatch.setattr(answer_handler, "_settings", lambda: AnswerSettings.load(ENVIRONMENT))
    monkeypatch.setattr(answer_handler, "_answering", services.answering)
    return services


def post(body: object, **event: Any) -> tuple[int, dict[str, str], Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return call({"routeKey": "POST /answers", "body": text, **event})


def get(id_: str) -> tuple[int, dict[str, str], Any]:
    return call({"routeKey": "GET /answers/{id}", "pathParameters": {"id": id_}})


def call(event: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
    response = answer_handler.handler(event, None)
    return response["statusCode"], response["headers"], json.loads(response["body"])


def emf(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = (line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line)
    return dict(json.loads(line))


def test_a_question_is_answered_and_the_answer_can_be_fetched(services: Services) -> None:
    status, headers, answer = post({"question": "How is Kestrel powered?"})
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer.keys() == {
        "id",
        "question",
        "answer",
        "answered",
        "grounded",
        "citations",
        "model",
        "served_by",
        "prompt_version",
        "usage",
        "attempts",
        "cached",
        "added",
        "share",
        "saved_energy_wh",
        "truncated",
    }
    status, _, stored = get(answer["id"])
    assert (status, stored["answer"]) == (200, answer["answer"])


def test_one_line_measures_each_request(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    post({"question": "How is Kestrel powered?"})
    line = emf(capsys)
    assert (line["service"], line["Deployment"]) == ("test", "test")
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Test"
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units["AnswerLatency"] == "Milliseconds"
    assert units["MemoryUsed"] == "Megabytes"
    assert "CarbonGramsMid" not in units  # in the log, but no metric: nobody reads it here
    assert line["CarbonGramsMid"] > 0
    post({"question": ""})
    line = emf(capsys)
    assert (line["Questions"], line["Errors"]) == ([1.0], [0.0])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("no json", "body"),
        ("[" * 50_000, "body"),
        ("[]", "body"),
        ({}, "question"),
        ({"question": "  \n"}, "question"),
        ({"question": 7}, "question"),
        ({"question": "x" * 2001}, "question"),
        ('{"question": "\\ud800"}', "body"),
        ({"question": "x", "max_tokens": 0}, "max_tokens"),
        ({"question": "x", "max_tokens": 301}, "max_tokens"),
        ({"question": "x", "max_tokens": True}, "max_tokens"),
        ({"question": "x", "max_tokens": "9"}, "max_tokens"),
        ({"question": "x", "detail": "long"}, "detail"),
        ({"question": "x", "detail": []}, "detail"),
        ({"question": "\u200b\u00ad"}, "question"),
        ({"question": "x", "filters": []}, "filters"),
        ({"question": "x", "filters": {"owner": "me"}}, "filters.owner"),
        ({"question": "x", "filters": {"format": 1}}, "filters.format"),
        ({"question": "x", "filters": {"format": []}}, "filters.format"),
        ({"question": "x", "filters": {"document": ["a"] * 51}}, "filters.document"),
        ({"question": "x", "temperature": 2}, "temperature"),
    ],
)
def test_a_bad_request_is_told_which_field(services: Services, body: object, field: str) -> None:
    status, _, answer = post(body)
    assert status == 400
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid_request", field)


def test_base64_bodies_are_read_and_large_ones_are_not(services: Services) -> None:
    body = base64.b64encode(b'{"question": "How is Kestrel powered?"}').decode()
    assert post(body, isBase64Encoded=True)[0] == 200
    assert post("%", isBase64Encoded=True)[0] == 400
    assert post("x" * 100_000)[0] == 413


@pytest.mark.parametrize("id_", ["0" * 64, "0" * 16, "#index", "../answers", ""])
def test_an_unknown_answer_is_not_found(services: Services, id_: str) -> None:
    assert get(id_)[0] == 404


@pytest.mark.parametrize(
    ("part", "error", "status", "code"),
    [
        ("bedrock", service_error("ThrottlingException", 429), 429, "throttled"),
        ("bedrock", service_error("ServiceUnavailableException", 503), 503, "unavailable"),
        ("bedrock", service_error("ModelTimeoutException", 408), 504, "deadline_exceeded"),
        ("bedrock", service_error(f"AccessDeniedException {SECRET}", 403), 500, "internal"),
        ("opensearch", Unavailable(SECRET, retry_after_s=15), 503, "unavailable"),
        ("opensearch", StoreError(403, SECRET), 500, "internal"),
        ("opensearch", RuntimeError(SECRET), 500, "internal"),
    ],
)
def test_trouble_becomes_a_status_and_tells_no_secrets(
    services: Services,
    capsys: pytest.CaptureFixture[str],
    part: str,
    error: Exception,
    status: int,
    code: str,
) -> None:
    getattr(services, part).error = error
    answered, headers, body = post({"question": "How is Kestrel powered?"})
    assert (answered, body["error"]["code"]) == (status, code)
    assert SECRET not in json.dumps(body)
    assert "Traceback" not in json.dumps(body)
    assert ("Retry-After" in headers) == (status in (429, 503, 504))
    line = emf(capsys)
    assert line["Errors"] == [float(status in (500, 504))]
    assert line["Deferred"] == [float(status in (429, 503))]


def test_logs_hold_neither_question_nor_documents(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", output)
    post({"question": "How is Kestrel powered? xyzzy"})
    services.bedrock.error = RuntimeError("broken")
    post({"question": "How is Kestrel powered? xyzzy2"})
    messages = [json.loads(line)["message"] for line in output.getvalue().splitlines()]
    assert messages == ["answered", "failed"]
    assert "xyzzy" not in output.getvalue()
    assert "turbines" not in output.getvalue()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def test_a_brief_answer_gets_half_of_the_tokens_and_the_request_decides() -> None:
    def asked(of_deployment: str, **body: Any) -> tuple[str, int]:
        event = {"body": json.dumps({"question": "x", **body})}
        question = parse(event, max_characters=100, max_tokens=300, detail=of_deployment)
        return question.detail, question.max_tokens

    assert asked("brief") == ("brief", 150)
    assert asked("brief", detail="full") == ("full", 300)
    assert asked("full", detail="brief", max_tokens=200) == ("brief", 150)
    assert asked("full", detail="brief", max_tokens=40) == ("brief", 40)


FIELDS = st.sampled_from(["question", "filters", "detail", "max_tokens", "other"])


@given(st.dictionaries(FIELDS, JSON))
def test_any_json_is_a_question_or_a_clear_refusal(body: dict[str, Any]) -> None:
    with suppress(InvalidRequest, TooLarge):
        question = parse(
            {"body": json.dumps(body)}, max_characters=100, max_tokens=9, detail="full"
        )
        assert question.text == body["question"].strip() != ""


def test_every_error_of_the_domain_has_its_status() -> None:
    assert answer_handler._ERRORS.keys() >= {Throttled, Unavailable, DeadlineExceeded}
    kinds = list(answer_handler._ERRORS)
    assert kinds.index(Throttled) < kinds.index(Unavailable), "the special before the general"
