"""What reads a document is limited, finds no secret, and cannot take over who asked it."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

import pytest

from rag import sandbox
from rag.chunks import Chunk
from rag.errors import Rejected, Unavailable

SECRET = "a-credential-of-the-function"
ENOUGH = 512  # MB, as deployed


def slow() -> None:
    time.sleep(60)


def greedy() -> int:
    return len(bytearray(2 << 30))


def recursive() -> None:
    recursive()


def killed() -> None:
    raise SystemExit


def environment() -> tuple[dict[str, str], str]:
    """What a reader sees itself, and what native code in it would see."""
    return dict(os.environ), Path("/proc/self/environ").read_text()


class Harmful:
    """What a reader returns that was taken over: reading it runs a command."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.abort, ()


def harmful() -> Harmful:
    return Harmful()


def without_parent() -> None:
    os.kill(os.getppid(), 9)
    time.sleep(60)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (slow, "too_complex"),
        (greedy, "too_complex"),
        (killed, "too_complex"),
        (recursive, "malformed"),
        (harmful, "malformed"),
    ],
)
def test_what_goes_wrong_in_a_reader_is_a_reason_to_reject(function: object, reason: str) -> None:
    assert callable(function)
    with pytest.raises(Rejected) as rejected:
        sandbox.run(function, seconds=1, memory_mb=ENOUGH)
    assert rejected.value.reason == reason


def test_a_reader_finds_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    seen, inherited = sandbox.run(environment, seconds=10, memory_mb=ENOUGH)
    assert not [name for name in seen if name.startswith("AWS_")]
    assert SECRET not in inherited
    assert "AWS_" not in inherited


def test_results_are_documents() -> None:
    chunk = sandbox.run(Chunk, "section", "text", 0, seconds=10, memory_mb=ENOUGH)
    assert chunk == Chunk("section", "text", 0)


def test_the_next_document_is_read_after_the_readers_were_killed() -> None:
    with pytest.raises(Unavailable):
        sandbox.run(without_parent, seconds=10, memory_mb=ENOUGH)
    assert sandbox.run(str, 1, seconds=10, memory_mb=ENOUGH) == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
def test_other_processes_may_not_read_the_memory_of_the_function() -> None:
    sandbox.run(str, 1, seconds=10, memory_mb=ENOUGH)
    pr_get_dumpable = 3
    assert ctypes.CDLL(None).prctl(pr_get_dumpable, 0, 0, 0, 0) == 0
