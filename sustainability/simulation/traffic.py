"""Traffic for the simulator: questions at given rates, and synthetic weeks from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sustainability.deployment.schema import Rate, Tokens
from sustainability.plan.lengths import quantile
from sustainability.plan.queueing import lognormal_sigma

WEEK_SECONDS = 7 * 24 * 3600.0
_BIN_SECONDS = 600
_BINS_PER_DAY = 86400 // _BIN_SECONDS
_WORKING_DAYS = 5
_CROWD = (0.6, 1.0, 1.0, 0.6)
"""Rate of each ten minutes of a flash crowd, as a share of the weekly peak."""
_WITHOUT_CROWD = 0.4
"""Highest rate without a crowd, as a share of the weekly peak."""
_QUARTER_SECONDS = 900
_QUARTERS_PER_HOUR = 4


class Request(NamedTuple):
    """One question."""

    time: float
    """Seconds since the traffic began."""
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class Traffic:
    """Questions that can be simulated several times."""

    requests: Callable[[], Iterable[Request]]
    """Each call starts again from the first question."""
    duration: float
    """Seconds."""
    start: float = 0.0
    """Seconds from Monday 0:00 to the beginning of the traffic, in the traffic's time zone."""


@dataclass(frozen=True)
class Rates:
    """The rate of questions in each interval."""

    interval: float
    """Seconds that each rate lasts."""
    per_hour: tuple[float, ...]

    @property
    def duration(self) -> float:
        """Seconds from the start of the first interval to the end of the last."""
        return self.interval * len(self.per_hour)

    def scaled(self, factor: float) -> Rates:
        """Return the same curve multiplied by ``factor``."""
        return Rates(self.interval, tuple(rate * factor for rate in self.per_hour))

    def scaled_to_peak(self, per_hour: float) -> Rates:
        """Return the same curve with its highest rate at ``per_hour``."""
        return self.scaled(per_hour / max(self.per_hour))


@dataclass(frozen=True)
class TokenCounts:
    """Lengths of prompts and answers: by their deciles, or lognormal, with a long tail."""

    input: Tokens
    output: Tokens
    output_limit: float = math.inf

    def sampler(self, random_: random.Random) -> Callable[[], tuple[float, float]]:
        """Return a function that draws the tokens of a prompt and of its answer."""
        draw_in, draw_out = _draw(self.input, random_), _draw(self.output, random_)
        limit = self.output_limit
        return lambda: (max(1.0, draw_in()), min(limit, max(1.0, draw_out())))


def _draw(tokens: Tokens, random_: random.Random) -> Callable[[], float]:
    if tokens.deciles:
        return lambda: quantile(tokens, random_.random())
    sigma, draw = lognormal_sigma(tokens.mean, tokens.p95), random_.lognormvariate
    mu = math.log(tokens.mean) - sigma**2 / 2
    return lambda: draw(mu, sigma)


def arrivals(
    rates: Rates, tokens: TokenCounts, *, seed: int, variation: float = 1.0
) -> Iterator[Request]:
    """Yield questions at ``rates``; the same ``seed`` always gives the same questions.

    ``variation`` is the coefficient of variation of the time between two questions: 1 for Poisson
    arrivals, more for bursts.
    """
    random_ = random.Random(seed)
    draw_tokens = tokens.sampler(random_)
    shape = 1 / variation**2
    ahead = random_.gammavariate(shape, 1 / shape)  # questions' worth of time until the next one
    for number, per_hour in enumerate(rates.per_hour):
        time, end = number * rates.interval, (number + 1) * rates.interval
        per_second = per_hour / 3600
        while ahead <= (end - time) * per_second:
            time += ahead / per_second
            yield Request(time, *draw_tokens())
            ahead = random_.gammavariate(shape, 1 / shape)
        ahead -= (end - time) * per_second


def of_rates(rates: Rates, tokens: TokenCounts, *, seed: int, variation: float = 1.0) -> Traffic:
    """Return questions at ``rates``; see :func:`arrivals`."""
    return Traffic(lambda: arrivals(rates, tokens, seed=seed, variation=variation), rates.duration)


def declared_rates(week: Sequence[Rate], *, seed: int) -> Rates:
    """Return a declared week: 15 minutes of each hour at the peak, the rest below the mean."""
    random_ = random.Random(seed)
    per_hour: list[float] = []
    for rate in week:
        peak = min(rate.peak_per_hour, _QUARTERS_PER_HOUR * rate.mean_per_hour)
        rest = (_QUARTERS_PER_HOUR * rate.mean_per_hour - peak) / (_QUARTERS_PER_HOUR - 1)
        busy = random_.randrange(_QUARTERS_PER_HOUR)
        per_hour += [peak if quarter == busy else rest for quarter in range(_QUARTERS_PER_HOUR)]
    return Rates(_QUARTER_SECONDS, tuple(per_hour))


def synthetic_week(kind: str, *, seed: int, peak_per_hour: float) -> Rates:
    """Return a generated week from Monday 0:00 with ``peak_per_hour`` as its highest rate.

    ``diurnal``: working days with a peak in the morning and one in the afternoon, and little
    traffic at night and at weekends. ``bursty``: the same, for arrivals with high variation.
    ``flash``: the same with less traffic, and three crowds that come within minutes and stay for
    half an hour. ``quiet``: about the same rate at all times.
    """
    random_ = random.Random(f"{kind} {seed}")
    drift = 0.0
    course = []
    for number in range(int(WEEK_SECONDS) // _BIN_SECONDS):
        drift = 0.9 * drift + random_.gauss(0, 0.03)  # slow, standard deviation 7 %
        usual = 1.0 if kind == "quiet" else _working_week(number)
        course.append(usual * math.exp(drift))
    rates = Rates(_BIN_SECONDS, tuple(course)).scaled_to_peak(peak_per_hour)
    if kind != "flash":
        return rates
    per_hour = list(rates.scaled(_WITHOUT_CROWD).per_hour)
    for start in random_.sample(range(len(per_hour) - len(_CROWD)), 3):
        for offset, share in enumerate(_CROWD):
            per_hour[start + offset] = max(per_hour[start + offset], share * peak_per_hour)
    return Rates(_BIN_SECONDS, tuple(per_hour))


def _working_week(number: int) -> float:
    day, hour = number // _BINS_PER_DAY, number % _BINS_PER_DAY * 24 / _BINS_PER_DAY
    humps = math.exp(-(((hour - 10.5) / 2.2) ** 2)) + 0.9 * math.exp(-(((hour - 15.5) / 2.5) ** 2))
    return 0.08 + (0.92 if day < _WORKING_DAYS else 0.25) * humps
