"""Scheduled copies for each quarter of an hour of a declared week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sustainability.deployment.schema import Rate
from sustainability.plan.capacity import Capacity
from sustainability.plan.week import PER_HOUR, QUARTER_S, quarters, started_ahead, without_dips

_PEAK_SHARE = 0.25
"""The peak of an hour lasts at most this share of it: 15 minutes."""
_BISECTIONS = 14


class _Quarter(NamedTuple):
    """Questions per hour of a quarter of an hour: the mean of its hour there, and the peak."""

    mean: float
    peak: float


class InAdvance:
    """A declared week, and the lowest numbers of copies that meet its service level."""

    def __init__(
        self, capacity: Capacity, week: Sequence[Rate], *, cold_start: float, overhead: float
    ) -> None:
        """Prepare a week of hourly rates.

        Parameters
        ----------
        capacity
            The capacity of a copy.
        week
            The rate of each hour, from Monday 0:00.
        cold_start
            Seconds from the start of a copy until it answers.
        overhead
            Seconds of a start and a stop together that an instance is billed without work.
        """
        self.overhead = overhead
        self._lead = math.ceil(cold_start / QUARTER_S)
        self._restart = int(overhead / QUARTER_S)
        self._quarters = _quarters(week)
        self.questions = sum(quarter.mean for quarter in self._quarters)
        """Per hour, summed over the quarters."""
        self._late_share = capacity.late_share
        self._late = cache(self._late_answers)
        self._copies = cache(self._fewest)

    def copies(self, attainment: float, most: int) -> Sequence[int]:
        """Return the lowest numbers of copies, up to ``most``, with ``attainment`` in time.

        Each quarter of an hour gets one more copy as long as this copy saves more late answers than
        a threshold. The threshold is the same for the whole week, and as high as ``attainment``
        allows.
        """
        return self._copies(attainment, most)

    def attained(self, copies: Sequence[int]) -> float:
        """Return the share of the week's answers that are in time with these copies."""
        if not self.questions:
            return 1.0
        return 1 - sum(map(self._late, copies, self._quarters)) / self.questions

    def _fewest(self, attainment: float, most: int) -> Sequence[int]:
        low, high = -10.0, math.log2(1 + max(quarter.peak for quarter in self._quarters))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if self.attained(self._worth(2**middle, most)) < attainment:
                high = middle
            else:
                low = middle
        return self._worth(2**low, most)

    def _worth(self, late: float, most: int) -> list[int]:
        """Return the copies if each must save at least ``late`` late answers per hour."""

        @cache
        def enough(quarter: _Quarter) -> int:
            best, least = 1, math.inf
            for copies in range(1, most + 1):
                lates = self._late(copies, quarter)
                if lates + copies * late < least:
                    best, least = copies, lates + copies * late
                if lates < late:
                    break
            return best

        levels = [enough(quarter) for quarter in self._quarters]
        return without_dips(started_ahead(levels, self._lead), self._restart)

    def _late_answers(self, copies: int, quarter: _Quarter) -> float:
        """Return the late answers of an hour with the rates of this quarter."""
        if not quarter.mean:
            return 0.0
        share = min(_PEAK_SHARE, quarter.mean / quarter.peak)
        rest = (quarter.mean - share * quarter.peak) / (1 - share)
        return share * quarter.peak * self._late_share(copies, quarter.peak / 3600) + (
            1 - share
        ) * rest * self._late_share(copies, rest / 3600)


def _quarters(week: Sequence[Rate]) -> list[_Quarter]:
    """Return the quarters of ``week``.

    Neighbor hours with equal rates are a declared period, which begins and ends in one step. An
    hour that differs from both neighbors is a point of a curve: the rate changes linearly between
    the middles of the hours.
    """
    means = [rate.mean_per_hour for rate in week]
    highest = max(rate.peak_per_hour for rate in week)
    found = []
    for number, steady in enumerate(quarters(means)):
        hour = number // PER_HOUR
        of_period = means[hour] in (means[hour - 1], means[(hour + 1) % len(means)])
        mean = means[hour] if of_period else steady
        peak = week[hour].peak_per_hour * mean / means[hour] if means[hour] else mean
        found.append(_Quarter(_rounded(mean), _rounded(max(mean, min(peak, highest)))))
    return found


def _rounded(rate: float) -> float:
    """Return ``rate`` rounded up by at most 1 %, so that many quarters have the same rate."""
    return math.exp(math.ceil(100 * math.log(rate)) / 100) if rate else 0.0
