"""The replayed month has the declared traffic, and the metrics that the functions send."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local import month
from local.month import DAYS, _hours, metrics
from sustainability.errors import UserError
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


def test_a_month_can_regress_in_its_last_days() -> None:
    deployment = a_deployment(traffic=traffic(20))
    read = [
        sum(question.input_tokens for question in questions)
        for _, questions in _hours(deployment, START, DAYS, 0.5)
    ]
    usual = [
        sum(question.input_tokens for question in questions)
        for _, questions in _hours(deployment, START, DAYS)
    ]
    assert read[10 * 24 : 18 * 24] == usual[10 * 24 : 18 * 24]
    assert sum(read[-24:]) == pytest.approx(1.5 * sum(usual[-24:]))


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


class Aws:
    """CloudWatch and Lambda as far as a replay needs them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.hours: list[datetime] = []
        self.questions = 0.0

    def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
        assert len(MetricData) <= 500
        self.calls.append("metrics")
        for datum in MetricData:
            if datum["MetricName"] == "Questions":
                self.questions += sum(datum["Values"])

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        variables = {"METRICS": "Questions CacheHits", "SOURCES": json.dumps(SOURCES)}
        return {"Handler": FunctionName, "Environment": {"Variables": variables}}

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        if event := json.loads(Payload):
            self.calls.append("record")
            self.hours.append(datetime.fromisoformat(event["hour"]))
        else:
            self.calls.append("judge")
        return {}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws()
    monkeypatch.setattr(month.boto3, "client", lambda _: aws)
    handlers = ["rag.answer_handler.handler", "operations.handler.handler"]
    monkeypatch.setattr(month.Account, "functions", lambda _: handlers)
    monkeypatch.setattr(month.Account, "history", lambda _, __: [])
    return aws


def test_each_hour_is_recorded_once_after_its_metrics(aws: Aws) -> None:
    asked = month.replay(a_deployment(), lambda _: None, days=2)
    assert aws.questions == asked > 0
    assert aws.hours == sorted(set(aws.hours))
    assert len(aws.hours) == 48
    assert aws.hours[-1] < datetime.now(UTC)
    assert aws.calls[0] == "metrics"
    assert aws.calls.index("judge") == len(aws.calls) - 1


def test_a_month_is_replayed_once(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = [
        {"hour": f"{datetime.now(UTC) - timedelta(hours=number):%Y-%m-%dT%H:00:00Z}"}
        for number in range(60)
    ]
    monkeypatch.setattr(month.Account, "history", lambda _, __: recorded)
    with pytest.raises(UserError, match="has a month already"):
        month.replay(a_deployment(), lambda _: None, days=2)
    assert aws.calls == []


def test_metrics_of_a_month_ago_are_kept_as_cloudwatch_keeps_hours() -> None:
    """In a process of its own: MiniStack reads its environment when it is imported."""
    program = (
        "from local import clock; clock.install();"
        "from ministack.services import cloudwatch; import time;"
        "then = time.time() - 30 * 86400;"
        "cloudwatch._store_datum('n', 'm', {}, then, 'None', 1, None, None, None);"
        "cloudwatch._evict_old_metrics(); assert list(cloudwatch._metrics.values())"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
