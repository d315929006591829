"""Durations in a deployment file, such as ``8s``, ``15m`` or ``6h``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(text: object) -> timedelta:
    """Return the duration that ``text`` states.

    Raises
    ------
    ValueError
        If ``text`` is not a positive number with a unit.
    """
    if isinstance(text, timedelta):
        return text
    match = _DURATION.fullmatch(str(text).strip())
    if not match or float(match[1]) == 0:
        raise ValueError(
            "a duration must be a positive number with a unit, such as 800ms, 8s, 15m, 6h or 1d"
        )
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def format_duration(duration: timedelta) -> str:
    """Return ``duration`` in the largest unit in which it is a whole number."""
    seconds = duration.total_seconds()
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and (seconds / _SECONDS[unit]).is_integer():
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["8s", "6h"]}
    ),
]
"""A pydantic field type: text with a unit in the file, a ``timedelta`` in the code."""
