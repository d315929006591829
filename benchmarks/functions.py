"""Cold import and size of each function."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile

from benchmarks.measurement import Measurement
from stacks.functions.bundle import bundle

HANDLERS = ("rag.answer_handler", "rag.ingest_handler", "rag.index_handler")
_TIMED_IMPORT = """
import sys, time
sys.path.insert(0, {bundle!r})
began = time.perf_counter()
import {handler}
print(time.perf_counter() - began)
"""


def run() -> list[Measurement]:
    """Import each handler in fresh interpreters, from the bundle as Lambda unpacks it; weigh it."""
    archive = bundle("rag").archive
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(archive, folder)
        measurements = [
            Measurement(
                f"cold import of {handler}", 1000 * cold_import(folder, handler), "ms", "≤ 350"
            )
            for handler in HANDLERS
        ]
    size = archive.stat().st_size / 1e6
    return [*measurements, Measurement("zip of each function", size, "MB", "≤ 6")]


def cold_import(folder: str, handler: str) -> float:
    """Return the best of seven cold imports, in seconds."""
    code = _TIMED_IMPORT.format(bundle=folder, handler=handler)
    # -B: like Lambda's, the bundle holds no compiled modules, and must not get any.
    command = [sys.executable, "-B", "-c", code]
    return min(
        float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(7)
    )
