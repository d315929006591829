"""One measured number, and how numbers are printed."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """What was measured, and what it should be at most (or at least) where there is a target."""

    name: str
    value: float
    unit: str
    target: str = ""


def table(measurements: Iterable[Measurement]) -> str:
    """Return measurements as aligned lines."""
    rows = [
        (item.name, f"{item.value:,.4g}", item.unit, item.target and f"target {item.target}")
        for item in measurements
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join(
        f"{name:{widths[0]}}  {value:>{widths[1]}} {unit:{widths[2]}}  {target}".rstrip()
        for name, value, unit, target in rows
    )


def best_seconds(action: Callable[[], object], *, runs: int) -> float:
    """Return the shortest of several runs: what the code takes, with the least of the machine."""
    return min(_seconds(action) for _ in range(runs))


def programs_seconds(action: Callable[[], object], *, runs: int) -> float:
    """Return the least processor time that the programs took which an action starts and awaits."""
    return min(_programs_seconds(action) for _ in range(runs))


def percentiles(action: Callable[[], object], *, runs: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of several runs, in milliseconds."""
    cuts = statistics.quantiles((_seconds(action) * 1000 for _ in range(runs)), n=20)
    return cuts[9], cuts[18]


def _programs_seconds(action: Callable[[], object]) -> float:
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    action()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
