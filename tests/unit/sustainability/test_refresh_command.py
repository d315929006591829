"""``make refresh`` where packages cannot be read."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from sustainability.facts.refresh.__main__ import main

OFFLINE = "error: Failed to fetch: `https://pypi.org/simple/ecologits/`\n  Caused by: dns error\n"
BROKEN = """Traceback (most recent call last):
  File "models.py", line 5, in main
KeyError: 'architecture'
"""


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (OFFLINE, "no package index can be reached; run it again with a network"),
        (BROKEN, "KeyError: 'architecture'"),
    ],
)
def test_each_source_that_cannot_be_read_ends_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stderr: str, reason: str
) -> None:
    def run(command: tuple[str, ...], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    assert main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"models.csv: as it was, because ecologits could not be read: {reason}",
        f"bedrock_prices.csv: as it was, because genai-prices could not be read: {reason}",
    ]
