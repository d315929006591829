"""How many copies there are in advance, quarter of an hour by quarter, for a declared week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sustainability.capacity import Capacity
from sustainability.deployment import Rate
from sustainability.planning.week import PER_HOUR, QUARTER_S, quarters, started_ahead, without_dips

_PEAK_SHARE = 0.25
"""Of an hour that its peak lasts, at most: a quarter of an hour."""
_BISECTIONS = 12


class _Quarter(NamedTuple):
    """Questions per hour of a quarter of an hour: the mean of its hour there, and the peak."""

    mean: float
    peak: float


class InAdvance:
    """A declared week, and the fewest copies that keep its answers in time."""

    def __init__(
        self, capacity: Capacity, week: Sequence[Rate], *, cold_start: float, overhead: float
    ) -> None:
        """Take ``week``; a start takes ``cold_start`` seconds, start and stop ``overhead``."""
        self._lead = math.ceil(cold_start / QUARTER_S)
        self._restart = int(overhead / QUARTER_S)
        self._quarters = _quarters(week)
        self.questions = sum(quarter.mean for quarter in self._quarters)
        """Per hour, summed over the quarters."""
        self._late_share = cache(capacity.late_share)

    def copies(self, attainment: float, most: int) -> list[int]:
        """Return the fewest copies, up to ``most``, that keep a share of the answers in time.

        Every quarter may have the same number of late answers, so a busy one a smaller share. That
        number is as large as ``attainment`` allows.
        """
        few, many = 0.0, self.questions / len(self._quarters)
        for _ in range(_BISECTIONS):
            middle = (few + many) / 2
            if self.attained(self._with_late(middle, most)) < attainment:
                many = middle
            else:
                few = middle
        return self._with_late(few, most)

    def attained(self, copies: Sequence[int]) -> float:
        """Return the share of the week's answers that are in time with so many copies."""
        if not self.questions:
            return 1.0
        late = sum(map(self._late, copies, self._quarters))
        return 1 - late / self.questions

    def _with_late(self, late: float, most: int) -> list[int]:
        """Return the copies with which no quarter has more than ``late`` late answers an hour."""

        @cache
        def fewest(quarter: _Quarter) -> int:
            allowed = min(late, quarter.mean / 2)
            none, enough = 0, most
            while enough - none > 1:
                middle = (none + enough) // 2
                if self._late(middle, quarter) > allowed:
                    none = middle
                else:
                    enough = middle
            return enough

        levels = [fewest(quarter) for quarter in self._quarters]
        return without_dips(started_ahead(levels, self._lead), self._restart)

    def _late(self, copies: int, quarter: _Quarter) -> float:
        """Return the late answers of an hour such as this quarter."""
        if not quarter.mean:
            return 0.0
        share = min(_PEAK_SHARE, quarter.mean / quarter.peak)
        rest = (quarter.mean - share * quarter.peak) / (1 - share)
        return share * quarter.peak * self._late_share(copies, quarter.peak / 3600) + (
            1 - share
        ) * rest * self._late_share(copies, rest / 3600)


def _quarters(week: Sequence[Rate]) -> list[_Quarter]:
    """Return the quarters of ``week``.

    Hours of equal rates are a declared period: it begins and ends at once. An hour that differs
    from both its neighbours is a point of a course: rates change steadily from middle to middle.
    """
    means = [rate.mean_per_hour for rate in week]
    found = []
    for number, steady in enumerate(quarters(means)):
        hour = number // PER_HOUR
        of_period = means[hour] in (means[hour - 1], means[(hour + 1) % len(means)])
        mean = means[hour] if of_period else steady
        peak = week[hour].peak_per_hour * mean / means[hour] if means[hour] else mean
        found.append(_Quarter(mean, max(mean, peak)))
    return found
