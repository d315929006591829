"""Weights of tuned models: an endpoint loads them from its artifacts, as a container does.

Only `local.compiler` writes such a file. An endpoint without one is answered by the local model.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from urllib.parse import urlsplit

from local import job_runs
from local import ministack_internals as internals
from local.cloudformation import Properties
from local.compiler import SERVED
from local.endpoints import artifacts_of
from local.roles import session_as

_settings: dict[str, Path] = {}
_lock = threading.Lock()


def install(folder: Path) -> None:
    """Keep loaded weights in this folder."""
    shutil.rmtree(folder, ignore_errors=True)
    _settings["folder"] = folder


def of(model: Properties, region: str) -> str | None:
    """Return the path of a model's weights, read once with its role; None if it has none."""
    place = artifacts_of(model)
    bucket, prefix = urlsplit(place).netloc, urlsplit(place).path.strip("/")
    if not bucket or not internals.has_objects(bucket, f"{prefix}/{SERVED}"):
        return None
    # Named after the run that made it: every answer says which model gave it.
    folder = _settings["folder"] / bucket / prefix
    with _lock:
        if not (folder / SERVED).exists():
            session = session_as(model["ExecutionRoleArn"], region)
            job_runs.download(session, f"{place.rstrip('/')}/", folder)
    return str(folder / SERVED)
