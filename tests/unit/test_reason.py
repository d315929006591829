"""A set-up that fails says why in one sentence, in place of pip's, uv's and npm's pages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("NewConnectionError: Temporary failure in name resolution\nERROR: No match", "no network"),
        ("  cause: dns error", "no network"),
        ("npm error code ENOTFOUND", "no network"),
        ("error: Failed to initialize cache at `/x/.cache/uv`", "set HOME to a folder of your own"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "set HOME to a folder"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("hash mismatch for uv", "is not the pinned one"),
        ("first\nthe last line says it\n\n", "the last line says it"),
        ("", "ended without a message"),
    ],
)
def test_the_reason_is_one_sentence(log: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "setup.log"
    file.write_text(log)
    command = [sys.executable, str(ROOT / "requirements" / "reason.py"), str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
