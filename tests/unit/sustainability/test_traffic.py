"""Made-up traffic: it follows its rates, has the variation and the tokens asked for, and a seed."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import mean, quantiles, stdev

import pytest

from sustainability.deployment.schema import Rate, Tokens
from sustainability.simulation.kinds import KINDS
from sustainability.simulation.traffic import (
    WEEK_SECONDS,
    Rates,
    TokenCounts,
    arrivals,
    declared_rates,
    synthetic_week,
)

TOKENS = TokenCounts(Tokens(mean=1200, p95=1900), Tokens(mean=160, p95=400), output_limit=600)


def test_questions_follow_their_rates_in_order() -> None:
    rates = Rates(1800, (2000.0, 0.0, 8000.0, 400.0))
    found = list(arrivals(rates, TOKENS, seed=3))
    assert [before.time <= after.time for before, after in pairwise(found)].count(False) == 0
    for number, per_hour in enumerate(rates.per_hour):
        expected = per_hour / 2
        count = sum(number * 1800 <= request.time < (number + 1) * 1800 for request in found)
        assert abs(count - expected) <= 4 * math.sqrt(expected)


@pytest.mark.parametrize("variation", [0.5, 1.0, 4.0])
def test_the_time_between_questions_varies_as_asked(variation: float) -> None:
    times = [
        request.time
        for request in arrivals(Rates(36000, (3000.0,)), TOKENS, seed=1, variation=variation)
    ]
    gaps = [after - before for before, after in pairwise(times)]
    assert mean(gaps) == pytest.approx(1.2, rel=0.1)
    assert stdev(gaps) / mean(gaps) == pytest.approx(variation, rel=0.1)


def test_tokens_have_the_mean_and_the_percentile_asked_for_and_answers_an_end() -> None:
    found = list(arrivals(Rates(36000, (3000.0,)), TOKENS, seed=1))
    prompts = [request.input_tokens for request in found]
    answers = [request.output_tokens for request in found]
    assert mean(prompts) == pytest.approx(1200, rel=0.02)
    assert quantiles(prompts, n=20)[-1] == pytest.approx(1900, rel=0.03)
    assert quantiles(answers, n=20)[-1] == pytest.approx(400, rel=0.05)
    assert max(answers) == 600


@pytest.mark.parametrize("kind", KINDS)
def test_a_synthetic_week_has_its_peak_its_length_and_its_seed(kind: str) -> None:
    week = synthetic_week(kind, seed=7, peak_per_hour=5000)
    assert max(week.per_hour) == pytest.approx(5000)
    assert week.duration == WEEK_SECONDS
    assert week == synthetic_week(kind, seed=7, peak_per_hour=5000)
    assert week != synthetic_week(kind, seed=8, peak_per_hour=5000)


def test_nights_are_calm_quiet_weeks_flat_and_crowds_sudden() -> None:
    day, quiet, flash = (
        synthetic_week(kind, seed=1, peak_per_hour=1000).per_hour
        for kind in ("diurnal", "quiet", "flash")
    )
    assert mean(day[6:30]) < 0.2 * mean(day[54:102]), "Monday 1:00 to 5:00, and 9:00 to 17:00"
    assert min(quiet) > 0.5 * max(quiet)
    crowded = sum(rate > 500 for rate in flash)
    assert 6 <= crowded <= 12, "three crowds of forty minutes, which may meet"


def test_a_declared_week_keeps_each_hours_mean_and_peak() -> None:
    week = [Rate(mean_per_hour=100, peak_per_hour=250), Rate(mean_per_hour=10, peak_per_hour=80)]
    found = declared_rates(week, seed=1).per_hour
    assert (mean(found[:4]), max(found[:4])) == (pytest.approx(100), 250)
    assert (mean(found[4:]), max(found[4:])) == (pytest.approx(10), 40), "all in one quarter"
