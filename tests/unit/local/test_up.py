"""``make up`` on a slow machine: the question is asked again, and its failure stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local import __main__ as command
from local import processes
from local.embedded import EmbeddedAws
from local.processes import Server
from sustainability.errors import UserError
from sustainability.operate import account as operate

SLOW = "the API answered 504: the answer took too long; try again"


class Standing(EmbeddedAws):
    """An embedded AWS that `up` has just started, and into which anything deploys."""

    ended_without_notice = False

    def start(self, *_: Any, **__: Any) -> list[Server]:
        return [Server("emulator", 1, 0, 4566)]

    @contextmanager
    def alone(self, **_: str) -> Iterator[None]:
        yield

    def deploy(self, *_: Any) -> None:
        pass


class Busy:
    """A deployment that answers after so many failures."""

    def __init__(self, failures: int) -> None:
        self.failures, self.asked = failures, 0

    def add(self, files: dict[str, Path]) -> None:
        pass

    def stored(self) -> dict[str, str]:
        return {}

    def wait_until_settled(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def ask(self, question: str, *, progress: Any) -> dict[str, Any]:
        self.asked += 1
        if self.asked <= self.failures:
            raise UserError(SLOW)
        return {"id": "0" * 64, "status": "pending"}


Up = Callable[[Busy], str]


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Up:
    """Return what `make up` prints; it fails if a server was stopped."""

    def run(busy: Busy) -> str:
        monkeypatch.setattr(operate, "Account", lambda _: busy)
        monkeypatch.setattr(command, "_checked", lambda _: "checked")
        monkeypatch.setattr(processes, "stop", lambda *_: pytest.fail("a server was stopped"))
        command.up(Standing(tmp_path, {}), "local")
        return capsys.readouterr().out

    return run


def test_a_question_that_fails_is_asked_again(up: Up) -> None:
    busy = Busy(failures=2)
    assert "The answer comes later: make ask ID=000" in up(busy)
    assert busy.asked == 3


def test_without_an_answer_everything_runs_on_and_one_sentence_says_what_to_do(
    up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_QUESTION_PATIENCE_S", 0)
    said = up(Busy(failures=10**9))
    assert f"No answer yet: {SLOW}\nEverything runs; a slow machine can need a second try:" in said
    assert f'make ask Q="{command.QUESTION}"' in said
