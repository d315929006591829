"""What the Lambda runtime would have set."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from rag import sandbox


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "DEPLOYMENT": "test",
        "METRICS": "Questions Errors Deferred AnswerLatency MemoryUsed OutputTokens EnergyWhMid",
        "POWERTOOLS_METRICS_NAMESPACE": "Test",
        "POWERTOOLS_SERVICE_NAME": "test",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.embedding.pause_s", lambda *_: 0)


@pytest.fixture(autouse=True)
def _forks_begin_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a forked reader the memory that it has in Lambda, beside what this process holds.

    The limit counts what the fork inherits. A function holds little; this process may hold the CDK,
    cfn-lint and more, by which a reader would fail here in odd ways.
    """
    held = getattr(psutil.Process().memory_info(), "data", 0) >> 20
    call = sandbox._call

    def call_beside(sender: Any, memory_mb: int, *rest: Any) -> None:
        call(sender, held + memory_mb, *rest)

    monkeypatch.setattr(sandbox, "_call", call_beside)
