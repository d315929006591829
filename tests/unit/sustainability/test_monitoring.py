from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.instruments.burn_rates import BURN_RATES, BurnRate
from sustainability.deployment.schema import Monitoring
from sustainability.facts.metrics import KnownMetrics, documented_metrics

budgets = st.floats(min_value=1e-4, max_value=0.999)


def test_the_rates_are_those_of_the_workbook() -> None:
    assert [burn.rate for burn in BURN_RATES] == pytest.approx([14.4, 6])


@given(budget=budgets, burn=st.sampled_from(BURN_RATES))
def test_failing_throughout_the_long_window_spends_the_share_that_is_told_of(
    budget: float, burn: BurnRate
) -> None:
    percent = burn.failing_percent(budget)
    assert 0 < percent <= 100
    if percent < 100:
        spent = percent / 100 * burn.long_hours / (budget * 30 * 24)
        assert spent == pytest.approx(burn.budget_share, rel=1e-2)


def test_each_metric_is_listed_once_and_says_who_publishes_it() -> None:
    metrics = documented_metrics()
    known = KnownMetrics(metrics)
    for metric in metrics:
        assert known(metric.namespace, metric.name) is metric
        assert all(metric.dimensions)
        assert metric.statistics
        assert metric.source


@pytest.mark.parametrize(
    ("namespace", "name", "units"),
    [
        ("AWS/SageMaker", "ModelLatency", 2e6),
        ("SustainableGenerativeAI", "AnswerLatency", 2e3),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", 2),
    ],
)
def test_a_time_is_told_in_the_unit_of_the_metric(namespace: str, name: str, units: float) -> None:
    assert KnownMetrics(documented_metrics())(namespace, name).of_seconds(2) == units


def test_a_budget_that_nobody_would_hear_of_is_refused() -> None:
    with pytest.raises(ValueError, match="monthly_budget_usd needs an email"):
        Monitoring(monthly_budget_usd=10)
