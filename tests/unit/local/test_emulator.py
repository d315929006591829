"""What the emulator cannot keep it does not take, and what it ends does not hold others up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from local import emulator
from local import ministack_internals as internals
from local import ministack_patches as patches
from local.heartbeat import Servers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_no_change_is_taken_while_the_disk_is_full(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the request was read")

    monkeypatch.setattr(emulator.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    scope: Any = {"type": "http", "method": method, "path": "/bucket/a.md"}
    asyncio.run(emulator._application(tmp_path, Servers("", ""), scope, receive, send))
    assert sent[0]["status"] == 503
    assert b"disk of the embedded AWS is full" in sent[1]["body"]


def test_nobody_waits_while_the_folders_of_a_changed_function_are_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = internals.END_PROCESSES
    held, ended = Event(), Event()

    def end(workers: list[str]) -> None:
        held.wait()
        ended.set()

    monkeypatch.setattr(place.module, place.name, end)
    patches._answer_while_functions_end()
    getattr(place.module, place.name)(["a worker"])  # returns while `end` is held
    assert not ended.is_set()
    held.set()
    assert ended.wait(60)
