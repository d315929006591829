"""Errors that the user can correct."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """An error in the input. The message names the place and the solution; no traceback."""


def choose(word: str, known: Iterable[str]) -> str:
    """Return the cure for a word that is not one of ``known``: the nearest one, or all of them."""
    names = list(known)
    spelled = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), spelled, n=1, cutoff=0.75)
    near = near or [name for name in spelled if name.rpartition("/")[2] == word.lower()][:1]
    return f"did you mean {spelled[near[0]]}?" if near else f"choose one of {', '.join(names)}"
