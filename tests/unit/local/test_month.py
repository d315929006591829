"""The replayed month has the declared traffic, and the metrics that the functions send."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import pytest

from local.month import DAYS, _hours, metrics
from tests.unit.sustainability.deployments import a_deployment, traffic

START = datetime(2026, 10, 1, tzinfo=UTC)
SOURCES = {"answer": "answer", "account": "1", "group": "g", "group_id": "i"}
SENT = {"Questions", "CacheHits", "InputTokens", "BedrockAnswers", "StoreAwakeSeconds"}


def test_a_month_has_the_declared_questions_and_is_the_same_again() -> None:
    deployment = a_deployment(traffic=traffic(20, cache_hit_share=0.25))
    asked = [questions for _, questions in _hours(deployment, START, DAYS)]
    again = [questions for _, questions in _hours(deployment, START, DAYS)]
    assert asked == again
    assert len(asked) == DAYS * 24
    assert sum(map(len, asked)) == pytest.approx(20 * 24 * DAYS, rel=0.05)


def test_an_hour_sends_what_its_questions_would() -> None:
    deployment = a_deployment(traffic=traffic(200, cache_hit_share=0.25))
    _, questions = next(_hours(deployment, START, 1))
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    hour = metrics(deployment, START, questions, SOURCES, SENT, seed=1)
    for namespace, datum in hour.data():
        assert len(datum["Values"]) <= 150
        sums[f"{namespace}/{datum['MetricName']}"] += sum(datum["Values"])
        counts[datum["MetricName"]] += len(datum["Values"])

    ours = "SustainableGenerativeAI"
    assert sums[f"{ours}/Questions"] == sums["AWS/Lambda/Invocations"] == len(questions)
    assert sums[f"{ours}/CacheHits"] == pytest.approx(0.25 * len(questions), rel=0.4)
    assert counts["InputTokens"] == len(questions) - sums[f"{ours}/CacheHits"]
    assert sums["AWS/AOSS/SearchOCU"] == sums[f"{ours}/StoreAwakeSeconds"] / 60 <= 60
    assert not any("OutputTokens" in name for name in sums)


def test_an_hour_without_questions_sends_nothing() -> None:
    assert list(metrics(a_deployment(), START, [], SOURCES, SENT, seed=1).data()) == []
