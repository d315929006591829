"""How often a schedule expression fires."""

from __future__ import annotations

import re

from cfn_sustainability.values import Undecidable

_MINUTES = {"minute": 1.0, "hour": 60.0, "day": 1440.0}
_RATE = re.compile(r"rate\(\s*(\d+)\s+(minute|hour|day)s?\s*\)")
_CRON = re.compile(r"cron\(\s*(\S+)\s+(\S+)\s+\S+\s+\S+\s+\S+(?:\s+\S+)?\s*\)")


def minutes_between(expression: str) -> float:
    """Return the shortest interval of a rate or cron expression, in minutes, a day at the most.

    Raises
    ------
    Undecidable
        If it is neither, such as ``at(...)``.
    """
    if rate := _RATE.fullmatch(expression.strip()):
        return float(rate[1]) * _MINUTES[rate[2]]
    cron = _CRON.fullmatch(expression.strip())
    if not cron:
        raise Undecidable
    minutes = _interval(cron[1], 60)
    return minutes if minutes < 60 else 60 * _interval(cron[2], 24)


def _interval(field: str, units: int) -> float:
    """Return the units between two firings of one cron field."""
    if field in ("*", "?"):
        return 1
    _, slash, step = field.partition("/")
    if slash and step.isdigit() and int(step):
        return min(int(step), units)
    if "-" in field:
        return 1
    return units / len(field.split(","))
