"""A week in quarters of an hour, and the scheduled actions for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from sustainability.plan.serving_plan import ScheduledAction

QUARTER_S = 900
PER_HOUR = 4
"""Quarters of an hour."""
_PER_DAY = 24 * PER_HOUR
_WEEKS_PER_MONTH = 730 / 168


def steady(hourly: Sequence[float], hour: float) -> float:
    """Return the rate at ``hour``, interpolated linearly between the middles of the hours."""
    number, share = divmod(hour - 0.5, 1)
    before, after = (hourly[(int(number) + step) % len(hourly)] for step in (0, 1))
    return before + (after - before) * share


def quarters(hourly: Sequence[float]) -> list[float]:
    """Return the :func:`steady` rate of each quarter."""
    return [steady(hourly, (number + 0.5) / PER_HOUR) for number in range(len(hourly) * PER_HOUR)]


def started_ahead(levels: Sequence[int], lead: int) -> list[int]:
    """Return ``levels`` with every increase moved ``lead`` quarters earlier."""
    coming = [[*levels[ahead:], *levels[:ahead]] for ahead in range(lead + 1)]
    return list(map(max, zip(*coming, strict=True)))


def without_dips(levels: Sequence[int], longest: int, *, cyclic: bool = True) -> list[int]:
    """Return ``levels`` without dips of up to ``longest`` entries, shorter than a restart."""
    filled = list(levels)
    for level in range(min(levels) + 1, max(levels) + 1):
        reaching = [number for number, value in enumerate(filled) if value >= level]
        if cyclic:
            reaching.append(reaching[0] + len(filled))
        for last, following in pairwise(reaching):
            if 1 < following - last <= longest + 1:
                for number in range(last + 1, following):
                    filled[number % len(filled)] = level
    return filled


def scheduled_actions(levels: Sequence[int], max_copies: int) -> tuple[ScheduledAction, ...]:
    """Return the actions that set the minimum to ``levels``; none if it never changes."""
    days_of: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, level in enumerate(levels):
        if level != levels[number - 1]:
            day, quarter = divmod(number, _PER_DAY)
            days_of[quarter, level].append(day)
    return tuple(
        ScheduledAction(
            days=tuple(days),
            hour=quarter // PER_HOUR,
            minute=quarter % PER_HOUR * 15,
            min_copies=level,
            max_copies=max_copies,
        )
        for (quarter, level), days in sorted(days_of.items())
    )


def instance_hours(instances: Sequence[int], *, overhead_s: float) -> float:
    """Return the instance-hours of a month with these ``instances`` in each quarter of an hour.

    ``overhead_s`` is the billed time of each start without work, in seconds: the cold start, and
    the time until an instance is released.
    """
    starts = sum(max(0, count - instances[number - 1]) for number, count in enumerate(instances))
    week = sum(instances) / PER_HOUR + starts * overhead_s / 3600
    return week * _WEEKS_PER_MONTH
