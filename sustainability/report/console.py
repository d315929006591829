"""Progress messages: on a terminal one line that changes, elsewhere one line per change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a short status on standard error, and clear it at the end."""
    terminal, last = sys.stderr.isatty(), ""

    def show(text: str) -> None:
        nonlocal last
        if text != last:
            print(
                f"\r\033[K{text}" if terminal else text,
                end="" if terminal else "\n",
                file=sys.stderr,
                flush=True,
            )
            last = text

    try:
        yield show
    finally:
        if terminal and last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
