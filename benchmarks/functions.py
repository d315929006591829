"""Cold import and size of each function."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile

from benchmarks.measurement import Measurement
from stacks.functions.bundle import bundle

HANDLERS = {
    "rag.answer_handler": "requirements",
    "rag.ingest_handler": "requirements-ingest",
    "rag.index_handler": "requirements",
}
_TIMED_IMPORT = """
import sys, time
sys.path.insert(0, {bundle!r})
began = time.perf_counter()
import {handler}
print(time.perf_counter() - began)
"""


def run() -> list[Measurement]:
    """Import each handler in fresh interpreters, from the bundle as Lambda unpacks it; weigh it."""
    measurements = []
    for handler, requirements in HANDLERS.items():
        archive = bundle("rag", requirements).archive
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(archive, folder)
            import_ms = 1000 * cold_import(folder, handler)
        size = archive.stat().st_size / 1e6
        measurements += [
            Measurement(f"cold import of {handler}", import_ms, "ms", "≤ 350"),
            Measurement(f"zip of {handler}", size, "MB", "≤ 10" if "ingest" in handler else "≤ 2"),
        ]
    return measurements


def cold_import(folder: str, handler: str) -> float:
    """Return the best of seven cold imports, in seconds."""
    code = _TIMED_IMPORT.format(bundle=folder, handler=handler)
    # -B: like Lambda's, the bundle holds no compiled modules, and must not get any.
    command = [sys.executable, "-B", "-c", code]
    return min(
        float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(7)
    )
