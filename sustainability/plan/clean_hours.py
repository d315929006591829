"""The hours with the lowest carbon before a deadline, for work that can wait."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol

from sustainability.deployment.schema import Accounting
from sustainability.energy.site import intensity
from sustainability.facts.lookup import DATA, Facts

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Intensity:
    """Carbon intensity of the electricity for one hour from ``start``."""

    start: datetime
    gco2e_per_kwh: float


class Signal(Protocol):
    """A source of hourly carbon intensities."""

    @property
    def source(self) -> str:
        """The source for reports: the publisher and the kind of the values."""

    def hours(self, start: datetime, end: datetime) -> Sequence[Intensity]:
        """Return the whole hours from ``start`` to ``end``, in order and without gaps."""


@dataclass(frozen=True)
class StaticProfile:
    """The usual day of the grid: the yearly intensity of the Region times an hourly profile.

    The profile is the mean of each hour of the day in each quarter of a past year. A grid without a
    profile counts as constant, and :attr:`source` says so.
    """

    region: str

    @property
    def source(self) -> str:
        """What a report names."""
        if self.region in profiles():
            return (
                "static profile (ENTSO-E generation of 2019, IPCC factors; yearly value of Ember)"
            )
        return f"constant value: there is no hourly profile for the grid of {self.region}"

    def hours(self, start: datetime, end: datetime) -> Sequence[Intensity]:
        """Return the usual intensity of each hour."""
        level = intensity(self.region, Accounting.LOCATION, Facts()).mid
        course = profiles().get(self.region)
        return [
            Intensity(hour, level * (course[_quarter(hour), hour.hour] if course else 1.0))
            for hour in whole_hours(start, end)
        ]


def _quarter(moment: datetime) -> int:
    return (moment.month - 1) // 3 + 1


@cache
def profiles() -> Mapping[str, Mapping[tuple[int, int], float]]:
    """Return by Region the ratio of each (quarter, hour in UTC) to the yearly mean intensity."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    with (DATA / "hourly_intensity.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for hour in range(24):
                ratio = float(row[f"h{hour:02}"])
                found.setdefault(row["region"], {})[int(row["quarter"]), hour] = ratio
    return found


def whole_hours(start: datetime, end: datetime) -> list[datetime]:
    """Return the starts of the hours in UTC that are completely between two times."""
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if first < start:
        first += _HOUR
    return [first + index * _HOUR for index in range(int((end - first) / _HOUR))]


@dataclass(frozen=True)
class Window:
    """When to run, and how much carbon this saves."""

    start: datetime
    end: datetime
    gco2e_per_kwh: float
    """Mean over the window."""
    at_once_gco2e_per_kwh: float
    """Mean over a window of the same length that starts in the earliest hour."""
    source: str

    @property
    def saving(self) -> float:
        """Share of the carbon that waiting saves, up to 1."""
        if not self.at_once_gco2e_per_kwh:
            return 0.0
        return 1 - self.gco2e_per_kwh / self.at_once_gco2e_per_kwh


def choose_window(
    signal: Signal, *, earliest: datetime, deadline: datetime, length: timedelta
) -> Window:
    """Return the window of whole hours with the lowest mean intensity, the earliest if equal.

    Raises
    ------
    ValueError
        If a time has no time zone, or no window of ``length`` ends before the deadline.
    """
    if earliest.tzinfo is None or deadline.tzinfo is None:
        raise ValueError("earliest and deadline need a time zone")
    size = -(-length // _HOUR)
    course = signal.hours(earliest, deadline)
    if size < 1 or size > len(course):
        raise ValueError(
            f"no window of {size} whole hours between {earliest:%a %H:%M} and {deadline:%a %H:%M}"
        )
    means = [
        sum(hour.gco2e_per_kwh for hour in course[first : first + size]) / size
        for first in range(len(course) - size + 1)
    ]
    best = means.index(min(means))
    return Window(
        start=course[best].start,
        end=course[best].start + size * _HOUR,
        gco2e_per_kwh=means[best],
        at_once_gco2e_per_kwh=means[0],
        source=signal.source,
    )
