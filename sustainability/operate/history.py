"""What a deployment used, from its hourly records: periods and trends.

``lambdas/operations`` writes the records, ``account.py`` reads them. An hour without a record is a
gap and never counts as zero.
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
"""The first week, with which later days are compared."""
NOTABLE = 0.2
"""A change of the energy per answer by this share is reported."""
ENOUGH = 10
"""With fewer answers in a period, a difference can be chance."""
_MEASURES = ("kwh", "carbon_g", "usd")


@dataclass(frozen=True)
class Period:
    """An hour or a day of the history."""

    start: datetime
    hours: int
    """Length of the period in hours."""
    records: Sequence[Record]
    """At most one record for each hour."""

    @property
    def is_gap(self) -> bool:
        """Whether the period has no record."""
        return not self.records

    def taken(self, measure: str) -> Estimate:
        """Return the sum of ``kwh``, ``carbon_g`` or ``usd`` over the recorded hours."""
        return Estimate.total([Estimate(*record["taken"][measure]) for record in self.records])

    @property
    def water(self) -> Estimate | None:
        """The water in litres, or None if an hour was recorded without it."""
        litres = [record["taken"].get("water_l") for record in self.records]
        return None if None in litres else Estimate.total([Estimate(*each) for each in litres])

    @property
    def tokens(self) -> float:
        """The input and output tokens of the generators."""
        return float(
            sum(record["tokens"][kind] for record in self.records for kind in ("input", "output"))
        )

    def answers(self, who: str = "answered") -> float:
        """Return the number of answers: all of them, or those of one kind of server."""
        # A record of an older release does not know everyone who answers today.
        return float(sum(record["answers"].get(who, 0) for record in self.records))

    def share(self, who: str) -> float | None:
        """Return the share of the answers that ``who`` gave."""
        return self.answers(who) / self.answers() if self.answers() else None

    def per_1000(self, measure: str) -> Estimate | None:
        """Return what 1,000 answers used; hours without answers are included."""
        return self.taken(measure) * (1000 / self.answers()) if self.answers() else None

    def utilization(self, component: str) -> float | None:
        """Return the mean utilization (0 to 1) of ``store`` or ``endpoint`` while it ran."""
        shares = [
            share
            for record in self.records
            if (share := record["utilization"][component]) is not None
        ]
        return sum(shares) / len(shares) if shares else None

    def taken_by(self, measure: str) -> dict[str, float]:
        """Return the middle estimate of each quantity's sum."""
        totals: dict[str, float] = defaultdict(float)
        for record in self.records:
            for quantity, part in record["taken_by"].items():
                totals[quantity] += part[measure]
        return dict(totals)

    @property
    def missing(self) -> dict[str, int]:
        """The number of hours in which each measure is missing."""
        return Counter(name for record in self.records for name in record["missing"])

    @property
    def coefficients(self) -> frozenset[str]:
        """The digests of the coefficients that were used: several if they changed meanwhile."""
        return frozenset(record["coefficients"] for record in self.records)


@dataclass(frozen=True)
class Change:
    """A change of the energy per answer since a week ago, or for hours since a day ago."""

    before: Period
    after: Period
    share: float
    """Relative change of the energy per answer: 0.1 is 10 % more."""
    quantity: str
    """The quantity with the largest part in the change."""
    numbers_changed: bool
    """Whether the coefficients changed as well, and not only the behaviour."""


@dataclass(frozen=True)
class History:
    """Consecutive periods, gaps included, the oldest first."""

    periods: tuple[Period, ...]
    length: timedelta
    """Length of one period."""

    @classmethod
    def of(cls, records: Iterable[Record], zone: tzinfo, *, until: datetime) -> History:
        """Return the history of the records: by hour up to three days, else by day.

        Days begin at midnight in ``zone``. Hours without a record are gaps, from the first record
        to ``until``.
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
        """The whole history as one period."""
        return merge(self.periods)

    def split(self, length: timedelta) -> list[Period]:
        """Return longer periods, counted from the first day; the last may be shorter."""
        size = max(int(length / self.length), 1)
        return [
            merge(self.periods[index : index + size]) for index in range(0, len(self.periods), size)
        ]

    def changes(self) -> list[Change]:
        """Return when the energy per answer changed since a week before, or for hours a day before.

        So a weekend is compared with a weekend. A step lasts until its cycle is over, and is
        reported once.
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
        """The number of periods after which demand repeats: a week of days, or a day of hours."""
        return round((7 * DAY if self.length == DAY else DAY) / self.length)

    def cycle_until(self, index: int) -> Period | None:
        """Return the cycle that ends with a period, as far as recorded; None at a gap."""
        if self.periods[index].is_gap:
            return None
        return merge(self.periods[max(index + 1 - self._cycle, 0) : index + 1])

    def _tells(self, period: Period) -> bool:
        """Return whether enough is recorded. A day of the clock change has 23 hours."""
        return period.answers() >= ENOUGH and len(period.records) * HOUR >= self.length - HOUR

    def saved(self, measure: str) -> float | None:
        """Return what the answers since the first week saved, compared with that week's answers.

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
    """Return consecutive periods as one period."""
    return Period(
        periods[0].start,
        sum(period.hours for period in periods),
        [record for period in periods for record in period.records],
    )


def _each(period: Period) -> dict[str, float]:
    return {quantity: kwh / period.answers() for quantity, kwh in period.taken_by("kwh").items()}
