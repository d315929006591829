"""The measured footprint of a deployment by hour, day and month, with trends.

A record is written by ``lambdas/operations``; ``account.py`` reads them. An hour
without a record is a gap and never zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any

from sustainability.facts.ranges import Estimate

Record = Mapping[str, Any]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASELINE = timedelta(days=7)
"""What later days are held against."""
NOTABLE = 0.2
"""A change of an answer's energy by this share is told."""
ENOUGH = 10
"""With fewer answers, a change in a period is mostly chance."""
_MEASURES = ("kwh", "carbon_g", "usd")


@dataclass(frozen=True)
class Period:
    """An hour or a day of the history."""

    start: datetime
    hours: int
    """How many it has."""
    records: Sequence[Record]
    """At most one for each hour."""

    @property
    def is_gap(self) -> bool:
        """Whether nothing was recorded."""
        return not self.records

    def taken(self, measure: str) -> Estimate:
        """Return the sum of ``kwh``, ``carbon_g`` or ``usd`` over the recorded hours."""
        return Estimate.total([Estimate(*record["taken"][measure]) for record in self.records])

    def answers(self, who: str = "answered") -> float:
        """Return how many were answered, or how many of these one of them gave."""
        return float(sum(record["answers"][who] for record in self.records))

    def share(self, who: str) -> float | None:
        """Return the share of the answers that ``who`` gave."""
        return self.answers(who) / self.answers() if self.answers() else None

    def per_1000(self, measure: str) -> Estimate | None:
        """Return the footprint of 1,000 answers, including the hours without answers."""
        return self.taken(measure) * (1000 / self.answers()) if self.answers() else None

    def utilization(self, component: str) -> float | None:
        """Return the mean share of ``store`` or ``endpoint`` that was used while it was awake."""
        shares = [
            share
            for record in self.records
            if (share := record["utilization"][component]) is not None
        ]
        return sum(shares) / len(shares) if shares else None

    def taken_by(self, measure: str) -> dict[str, float]:
        """Return the likeliest sum by quantity."""
        totals: dict[str, float] = defaultdict(float)
        for record in self.records:
            for quantity, part in record["taken_by"].items():
                totals[quantity] += part[measure]
        return dict(totals)

    @property
    def missing(self) -> dict[str, int]:
        """In how many hours a measure was not told that should have been."""
        return Counter(name for record in self.records for name in record["missing"])

    @property
    def coefficients(self) -> frozenset[str]:
        """The sets of coefficients that it was computed with: more than one in a day of change."""
        return frozenset(record["coefficients"] for record in self.records)


@dataclass(frozen=True)
class Change:
    """The footprint of one answer changed since a week ago; for hours, since a day ago."""

    before: Period
    after: Period
    share: float
    """Of the energy of one answer, more or less."""
    quantity: str
    """What moved most of it."""
    numbers_changed: bool
    """Whether other coefficients are behind it, and not only another behaviour."""


@dataclass(frozen=True)
class History:
    """Consecutive periods, gaps included, the oldest first."""

    periods: tuple[Period, ...]
    length: timedelta
    """Of a period."""

    @classmethod
    def of(cls, records: Iterable[Record], zone: tzinfo, *, until: datetime) -> History:
        """Return the history of the records: by the hour up to three days, else by day.

        Days begin at midnight in ``zone``. Hours before ``until`` that have no record are gaps,
        back to the first that has one.
        """
        by_hour = {datetime.fromisoformat(record["hour"]): record for record in records}
        if not by_hour:
            return cls((), DAY)
        first = min(by_hour)
        last = max(*by_hour, until.replace(minute=0, second=0, microsecond=0) - HOUR)
        length = HOUR if last - first <= 3 * DAY else DAY
        groups: dict[datetime, list[datetime]] = defaultdict(list)
        hour = first
        while hour <= last:
            local = hour.astimezone(zone)
            groups[local if length == HOUR else local.replace(hour=0, minute=0)].append(hour)
            hour += HOUR
        periods = (
            Period(start, len(hours), [by_hour[hour] for hour in hours if hour in by_hour])
            for start, hours in groups.items()
        )
        return cls(tuple(periods), length)

    @cached_property
    def whole(self) -> Period:
        """All of it as one period."""
        return merge(self.periods)

    def split(self, length: timedelta) -> list[Period]:
        """Return longer periods, counted from the first day; the last one may be shorter."""
        size = max(int(length / self.length), 1)
        return [
            merge(self.periods[index : index + size]) for index in range(0, len(self.periods), size)
        ]

    def changes(self) -> list[Change]:
        """Return when the footprint of an answer changed against a week (for hours, a day) before.

        So a weekend is held against a weekend. A step shows until its cycle is over, and is told
        once.
        """
        cycle = self._cycle
        found: list[Change] = []
        told_until = 0
        for index, (before, after) in enumerate(
            zip(self.periods, self.periods[cycle:], strict=False)
        ):
            if not (self._tells(before) and self._tells(after)):
                continue
            was, now = _each(before), _each(after)
            share = sum(now.values()) / sum(was.values()) - 1
            if abs(share) < NOTABLE:
                continue
            if index >= told_until or share * found[-1].share < 0:
                moved = {name: now.get(name, 0) - was.get(name, 0) for name in was | now}
                quantity = max(moved, key=lambda name: moved[name] * share)
                same = before.coefficients == after.coefficients
                found.append(Change(before, after, share, quantity, not same))
                told_until = index + cycle
        return found

    @property
    def _cycle(self) -> int:
        """How many periods there are until the same demand comes again: a week, or a day."""
        return round((7 * DAY if self.length == DAY else DAY) / self.length)

    def cycle_until(self, index: int) -> Period | None:
        """Return the cycle that ends with a period, as far as it is known; None at a gap."""
        if self.periods[index].is_gap:
            return None
        return merge(self.periods[max(index + 1 - self._cycle, 0) : index + 1])

    def _tells(self, period: Period) -> bool:
        """Return whether enough of a period is known; a day of the clock change has 23 hours."""
        return period.answers() >= ENOUGH and len(period.records) * HOUR >= self.length - HOUR

    def saved(self, measure: str) -> float | None:
        """Return how much less the answers since the first week used than at that week's rate.

        Negative if they used more; None without answers in the first week or after it.
        """
        weeks = self.split(BASELINE)
        if len(weeks) < 2:
            return None
        later = merge(weeks[1:])
        before, after = weeks[0].per_1000(measure), later.per_1000(measure)
        if before is None or after is None:
            return None
        return (before.mid - after.mid) * later.answers() / 1000


def merge(periods: Sequence[Period]) -> Period:
    """Return consecutive periods as one."""
    return Period(
        periods[0].start,
        sum(period.hours for period in periods),
        [record for period in periods for record in period.records],
    )


def _each(period: Period) -> dict[str, float]:
    return {quantity: kwh / period.answers() for quantity, kwh in period.taken_by("kwh").items()}
