"""The traffic section of a deployment file, fitted to a recorded trace, and how good the fit is."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from statistics import fmean, pvariance, quantiles
from typing import Any

from sustainability.deployment.schema import Tokens
from sustainability.errors import UserError
from sustainability.plan.lengths import quantile
from sustainability.simulation.traces import rates_of
from sustainability.simulation.traffic import WEEK_SECONDS, Traffic

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FEWEST = 200
"""Questions below which a 95th percentile or a variance says nothing."""
_WINDOWS_S = (1.0, 10.0, 60.0)
_BATCHED = 2.0
"""Dispersion in ten seconds from which questions come in batches."""
_BISECTIONS = 30
_AT_ONCE = 1e-3
_PARTS = 1000
"""Into which a declared distribution is cut."""
_FAR = 0.1
"""Distance from which no lognormal distribution describes token counts."""
_ALIKE = 0.2
"""Neighbor hours whose means differ by less than this share become one period."""


@dataclass(frozen=True)
class Fit:
    """What a trace says of traffic. Rates are questions per hour that reach a model."""

    traffic: dict[str, Any]
    """``traffic`` of a deployment file."""
    questions: int
    hours: float
    dispersion: dict[float, float]
    """Variance of the number of questions in a window of so many seconds, divided by its mean, at
    the usual rate of the window's ten minutes. 1 at all windows means that they come at random."""
    rate_error: float
    """Mean difference between the rate of ten minutes and the declared mean, as a share."""
    token_error: dict[str, float]
    """Largest difference between the shares of prompts, and of answers, up to a length, in the
    trace and in the declared distribution."""

    @property
    def batched(self) -> bool:
        """Whether questions come in batches."""
        return self.dispersion[_WINDOWS_S[1]] > _BATCHED

    @property
    def batch(self) -> float:
        """Mean number of questions of a batch, if batches come at random."""
        longest = _WINDOWS_S[-1]
        above = (self.dispersion[longest] - 1) / _seen(longest, self.correlation_s)
        return max(1.0, above / 2 + 1)

    @property
    def correlation_s(self) -> float:
        """Mean time from the start of a batch to one of its questions, in seconds.

        A window as long as this sees a part of each batch, and a longer one all of it.
        """
        shortest, longest = _WINDOWS_S[0], _WINDOWS_S[-1]
        all_ = self.dispersion[longest] - 1
        share = (self.dispersion[shortest] - 1) / all_ if all_ > 0 else 1.0
        low, high = 0.0, longest
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if _seen(shortest, middle) > share * _seen(longest, middle):
                low = middle
            else:
                high = middle
        return low


def _seen(window: float, correlation: float) -> float:
    """Return the share of the pairs of a batch that a window sees."""
    if correlation < _AT_ONCE * window:
        return 1.0
    parts = window / correlation
    return 1 - (1 - math.exp(-parts)) / parts


def fit(traffic: Traffic) -> Fit:
    """Return the traffic section that fits a trace.

    Raises
    ------
    UserError
        If the trace has too few questions, or is longer than a week.
    """
    asked = list(traffic.requests())
    if len(asked) < _FEWEST:
        raise UserError(f"a fit needs at least {_FEWEST} questions; this trace has {len(asked)}")
    if traffic.duration > WEEK_SECONDS:
        raise UserError("a fit needs a trace of a week at most: a deployment declares one week")
    curve = rates_of(traffic)
    hours: dict[int, list[float]] = {}
    for number, rate in enumerate(curve.per_hour[:-1] or curve.per_hour):
        hour = int((traffic.start + number * curve.interval) // 3600) % 168
        hours.setdefault(hour, []).append(rate)
    periods = _periods(hours)
    tokens = {
        "input_tokens": [request.input_tokens for request in asked],
        "output_tokens": [request.output_tokens for request in asked],
    }
    declared = {name: _tokens(counts) for name, counts in tokens.items()}
    dispersion = {window: _dispersion([r.time for r in asked], window) for window in _WINDOWS_S}
    return Fit(
        traffic={
            "periods": periods,
            **declared,
            "arrival_variation": round(max(1.0, math.sqrt(dispersion[_WINDOWS_S[1]])), 2),
        },
        questions=len(asked),
        hours=traffic.duration / 3600,
        dispersion=dispersion,
        rate_error=_rate_error(hours),
        token_error={name: _distance(tokens[name], declared[name]) for name in tokens},
    )


@dataclass(frozen=True)
class CountedFit:
    """What counts of ten minutes say of traffic; they have no single questions."""

    traffic: dict[str, Any]
    questions: int
    weeks: float
    hours_of_week: int
    """How many of the 168 hours of a week were measured."""
    rate_error: float


def fit_counts(
    counts: Mapping[datetime, float],
    *,
    interval_s: float,
    until: datetime,
    zone: tzinfo,
    tokens: Mapping[str, float],
    spread: Mapping[str, float],
) -> CountedFit:
    """Return the traffic section that fits counts; weeks fall on each other, hour by hour.

    Parameters
    ----------
    counts
        Questions by the start of their interval. An interval that is missing had none.
    until
        End of the measurement; it begins with the first count.
    zone
        In which the hours of the week are declared.
    tokens
        Mean of ``input_tokens`` and ``output_tokens``, as far as known.
    spread
        95th percentile of each, divided by its mean: metrics do not have it.

    Raises
    ------
    UserError
        If there are too few questions.
    """
    questions = sum(counts.values())
    if questions < _FEWEST:
        raise UserError(f"a fit needs at least {_FEWEST} questions; there are {questions:.0f}")
    moment, step = min(counts), timedelta(seconds=interval_s)
    weeks = (until - moment) / timedelta(weeks=1)
    hours: dict[int, list[float]] = {}
    while moment < until:
        local = moment.astimezone(zone)
        hour = local.weekday() * 24 + local.hour
        hours.setdefault(hour, []).append(counts.get(moment, 0.0) * 3600 / interval_s)
        moment += step
    return CountedFit(
        traffic={
            "periods": _periods(hours),
            **{
                name: {
                    "mean": round(max(1.0, mean), 1),
                    "p95": round(max(1.0, mean * spread[name]), 1),
                }
                for name, mean in tokens.items()
            },
        },
        questions=round(questions),
        weeks=weeks,
        hours_of_week=len(hours),
        rate_error=_rate_error(hours),
    )


def _rate_error(hours: Mapping[int, Sequence[float]]) -> float:
    means = {hour: fmean(rates) for hour, rates in hours.items()}
    differences = [abs(rate - means[hour]) for hour, rates in hours.items() for rate in rates]
    return fmean(differences) / fmean(means.values())


def _periods(hours: dict[int, list[float]]) -> list[dict[str, Any]]:
    """Return the hours of the trace as periods; neighbors that are alike are one."""
    runs: list[list[int]] = []
    for hour in sorted(hours):
        before = runs[-1] if runs else []
        if before and hour == before[-1] + 1 and hour % 24:
            usual, mean = fmean(hours[before[0]]), fmean(hours[hour])
            if abs(mean - usual) <= _ALIKE * max(usual, mean):
                before.append(hour)
                continue
        runs.append([hour])
    return [
        {
            "days": _DAYS[run[0] // 24],
            "hours": f"{run[0] % 24}-{run[-1] % 24 + 1}",
            "mean_per_hour": round(fmean([rate for hour in run for rate in hours[hour]]), 1),
            "peak_per_hour": round(max(rate for hour in run for rate in hours[hour]), 1),
        }
        for run in runs
    ]


def _tokens(counts: Sequence[float]) -> dict[str, Any]:
    """Return mean and 95th percentile, and the deciles if the two are not enough."""
    mean, twentieths = fmean(counts), quantiles(counts, n=20, method="inclusive")
    found: dict[str, Any] = {
        "mean": round(max(1.0, mean), 1),
        "p95": round(max(1.0, mean, twentieths[-1]), 1),
    }
    if _distance(counts, found) > _FAR:
        found["deciles"] = [round(count, 1) for count in twentieths[1:-1:2]]
    return found


def _distance(counts: Sequence[float], declared: dict[str, Any]) -> float:
    """Return the largest difference of the two distributions (Kolmogorov and Smirnov)."""
    tokens = Tokens.model_validate(declared)
    expecting = [quantile(tokens, (number + 0.5) / _PARTS) for number in range(_PARTS)]
    total, seen, worst = len(counts), 0, 0.0
    for value, number in sorted(Counter(counts).items()):
        expected = bisect_right(expecting, value) / _PARTS
        worst = max(worst, abs(expected - seen / total), abs(expected - (seen + number) / total))
        seen += number
    return worst


def _dispersion(times: Sequence[float], window: float) -> float:
    """Return the dispersion within ten minutes, so that the course of the day does not count."""
    counts = [0] * (int(times[-1] // window) + 1)
    for time in times:
        counts[int(time // window)] += 1
    each = int(600 / window)
    parts = [counts[at : at + each] for at in range(0, len(counts), each)]
    whole = [part for part in parts if len(part) == each] or parts
    return sum(pvariance(part) for part in whole) / (sum(map(fmean, whole)) or 1.0)
