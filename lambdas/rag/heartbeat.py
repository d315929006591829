"""Repeats a call while work goes on, so that others know that the worker is alive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def beating(beat: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Call `beat` every `every_s` seconds, in a thread, until the block ends.

    A beat that fails stops nothing: the next one comes before what it prolongs is over.
    """
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            with suppress(Exception):
                beat()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
