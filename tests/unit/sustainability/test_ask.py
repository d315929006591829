"""``ask``: it waits for what comes later, and an interruption loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.operate.account import Account

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
    busy: Any = (503, {"retry-after": "3"}, {})
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
