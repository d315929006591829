"""What the emulator cannot keep it does not take."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local import emulator
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
