"""``ask``: it waits for what comes later, and an interruption loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.operate.account import Account, in_one_form
from tests import api_document

DEPLOYMENT = str(Path(__file__).parents[3] / "deployments" / "dev.yaml")
ID = "ab" * 32
TAKEN = (
    202,
    {"retry-after": "7", "location": f"/answers/{ID}"},
    {"id": ID, "status": "pending", "expected_by": "2026-11-23T18:00:00Z"},
)
RANGE = {"low": 0.1, "mid": 0.2, "high": 0.4}
ANSWER = {
    "id": ID,
    "answer": "By wind [1].",
    "citations": [],
    "usage": {"input_tokens": 300, "output_tokens": 12},
    "cached": False,
    "model": "qwen3-1.7b",
    "served_by": "endpoint",
    "added": {"energy_wh": RANGE, "carbon_gco2e": RANGE},
    "share": {"energy_wh": RANGE, "carbon_gco2e": RANGE, "answers_per_month": 4602},
}
BUSY = {"error": {"code": "unavailable", "message": "try again"}}
FAILED = (502, {}, {"error": {"code": "unanswered", "message": "it failed; ask it again"}})


class Api:
    """Answers in turn, and keeps what it was asked and how long it was left in peace."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str]] = []
        self.pauses: list[float] = []

    def call(self, method: str, path: str, body: Any = None) -> Any:
        self.calls.append((method, path))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    api = Api()
    monkeypatch.setattr(Account, "call", lambda _, *arguments: api.call(*arguments))
    monkeypatch.setattr("sustainability.operate.account.time.sleep", api.pauses.append)
    yield api
    assert api.answers == []


def test_an_answer_that_comes_later_is_waited_for(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    busy: Any = (503, {"retry-after": "3"}, BUSY)
    api.answers = [TAKEN, TAKEN, busy, (200, {}, ANSWER)]
    assert main(["ask", DEPLOYMENT, "How is it powered?"]) == 0
    assert api.calls == [("POST", "/answers"), *[("GET", f"/answers/{ID}")] * 3]
    assert api.pauses == [7, 3]
    printed = capsys.readouterr()
    assert "By wind [1]." in printed.out
    assert "Answered by qwen3-1.7b on the endpoint. 300 input tokens" in printed.out
    assert "comes later, by" in printed.err


def test_an_interruption_says_how_to_fetch_the_answer(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [TAKEN, TAKEN, KeyboardInterrupt()]
    assert main(["ask", DEPLOYMENT, "How is it powered?"]) == 130
    assert f"ask {DEPLOYMENT} --id {ID}" in capsys.readouterr().err
    api.answers = [(200, {}, ANSWER)]
    assert main(["ask", DEPLOYMENT, "--id", ID]) == 0
    assert api.calls[-1] == ("GET", f"/answers/{ID}")


def test_an_interruption_before_the_question_was_taken_promises_nothing(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [KeyboardInterrupt()]
    assert main(["ask", DEPLOYMENT, "How is it powered?"]) == 130
    assert "--id" not in capsys.readouterr().err


def test_a_failed_answer_is_told_in_the_apis_words(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [TAKEN, FAILED]
    assert main(["ask", DEPLOYMENT, "How is it powered?"]) == 1
    assert "502: it failed; ask it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "words", "code"),
    [
        (401, "Unauthorized", "unauthorized"),
        (403, "Forbidden", "forbidden"),
        (404, "Not Found", "not_found"),
        (413, "Request Entity Too Large", "too_large"),
        (429, "Too Many Requests", "throttled"),
        (500, "Internal Server Error", "internal"),
        (503, "Service Unavailable", "unavailable"),
    ],
)
def test_an_error_of_api_gateway_has_the_form_of_the_apis_own(
    status: int, words: str, code: str
) -> None:
    api_document.check(status, {"message": words})
    assert in_one_form(status, {"message": words}) == {"error": {"code": code, "message": words}}
    own = {"error": {"code": "throttled", "message": "busy"}}
    assert in_one_form(429, own) == own


def test_a_busy_gateway_that_states_no_time_is_asked_again_at_another_time_by_each(
    api: Api,
) -> None:
    refused: Any = (429, {}, {"error": {"code": "throttled", "message": "Too Many Requests"}})
    for _ in range(2):
        api.answers = [*[refused] * 4, (200, {}, ANSWER)]
        assert main(["ask", DEPLOYMENT, "How is it powered?"]) == 0
    first, second = api.pauses[:4], api.pauses[4:]
    assert first != second
    assert all(1 <= pause <= 2**tries for tries, pause in enumerate(first, 1))


@pytest.mark.parametrize(
    "order",
    [
        (DEPLOYMENT, "How?", "--json"),
        (DEPLOYMENT, "--json", "How?"),
        ("--json", DEPLOYMENT, "How?"),
        (DEPLOYMENT, "--document", "a.md", "How?", "--json"),
    ],
    ids=str,
)
def test_options_may_stand_anywhere(
    order: tuple[str, ...], api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = [(200, {}, ANSWER)]
    assert main(["ask", *order]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == ANSWER["answer"]


@pytest.mark.parametrize("asked", [(), ("How?", "--id", ID)])
def test_a_question_or_an_id_is_needed_and_not_both(
    asked: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", DEPLOYMENT, *asked]) == 1
    assert "either a question in quotes, or --id ID" in capsys.readouterr().err
