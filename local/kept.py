"""The documents that an embedded AWS held when it ended without notice.

The emulator saves its stacks and tables when it stops. If it is killed, or the file of a service
cannot be read, it starts empty. Objects of S3 are on disk from the beginning, so the documents are
set aside, and the next ``make up`` puts them back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

_SIDECAR = ".meta.json"
"""MiniStack writes the key and the state of an object beside it."""
_DOCUMENTS = "-rag-documentsbucket"
"""Between the deployment's name and the random part of the name of its bucket of documents."""


def ended_without_notice(state: Path) -> bool:
    """Whether the emulator whose folder this is did not save all when it ended."""
    return (state / "running").exists() or not all(
        map(_is_whole, (state / "services").glob("*.json"))
    )


def _is_whole(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def set_aside(state: Path) -> None:
    """Delete the emulator's state, and set aside the documents."""
    shutil.rmtree(state / "services", ignore_errors=True)
    kept = state / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    if (state / "objects").exists():
        folder = (state / "objects").rename(kept / f"{len(list(kept.iterdir())):06}")
        for bucket in folder.glob("*/*"):
            if _DOCUMENTS not in bucket.name:  # the next deployment makes it and its files again
                shutil.rmtree(bucket, ignore_errors=True)


def documents(state: Path, deployment: str) -> dict[str, Path]:
    """Return the documents of a deployment that were set aside, by key."""
    found: dict[str, Path] = {}
    for bucket in _buckets(state, deployment):
        for sidecar in sorted(bucket.rglob(f"*{_SIDECAR}")):
            content = sidecar.with_name(sidecar.name.removesuffix(_SIDECAR))
            try:
                about = json.loads(sidecar.read_bytes())
            except ValueError:  # it was cut; the object keeps its name on disk
                about = {"key": content.relative_to(bucket).as_posix()}
            found.pop(about["key"], None)
            if content.is_file() and not about.get("is_delete_marker"):
                found[about["key"]] = content
    return found


def forget(state: Path, deployment: str) -> None:
    """Delete what was set aside of a deployment."""
    for bucket in _buckets(state, deployment):
        shutil.rmtree(bucket)


def _buckets(state: Path, deployment: str) -> Iterator[Path]:
    """Yield the folders of the deployment's buckets, the oldest first."""
    for account in sorted((state / "kept").glob("*/*")):
        yield from account.glob(f"{deployment}{_DOCUMENTS}*")
