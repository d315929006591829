"""Traffic from CloudWatch: the calls that are sent, and the section that comes of the answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from botocore.stub import ANY, Stubber

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment, Traffic
from sustainability.errors import UserError
from sustainability.operate.measured_traffic import Source, measured_traffic

NOW = datetime(2026, 10, 26, 9, 40, tzinfo=UTC)  # a Monday
UNTIL = NOW.replace(minute=0)
MODEL = "mistral.ministral-3-3b-instruct"
SPREAD = {"input_tokens": 1.5, "output_tokens": 2.0}


def query(id_: str, source: Source, metric: str, statistic: str) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in source.dimensions.items()]
    named = {"Namespace": source.namespace, "MetricName": metric, "Dimensions": dimensions}
    return {"Id": id_, "MetricStat": {"Metric": named, "Period": 600, "Stat": statistic}}


def client(
    source: Source,
    pages: list[dict[str, dict[datetime, float]]],
    known: list[str] | None = None,
    error: str = "",
    whenever: bool = False,
) -> Callable[..., Any]:
    """Return what makes a client that answers as botocore's own model allows."""
    made = boto3.client("cloudwatch", "eu-north-1")
    stubber = Stubber(made)
    reads, writes = source.tokens
    asked = {
        "MetricDataQueries": [
            query("counts", source, source.counts, "Sum"),
            query("input_tokens", source, reads, "Sum"),
            query("input_tokens_calls", source, reads, "SampleCount"),
            query("output_tokens", source, writes, "Sum"),
            query("output_tokens_calls", source, writes, "SampleCount"),
        ],
        "StartTime": ANY if whenever else UNTIL - timedelta(weeks=4),
        "EndTime": ANY if whenever else UNTIL,
        "ScanBy": "TimestampAscending",
    }
    if error:
        stubber.add_client_error("get_metric_data", error, "no", 403, expected_params=asked)
    for number, page in enumerate(pages):
        parts = [
            {"Id": id_, "Timestamps": list(points), "Values": list(points.values())}
            for id_, points in page.items()
        ]
        after = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        before = {"NextToken": str(number)} if number else {}
        stubber.add_response(
            "get_metric_data", {"MetricDataResults": parts, **after}, {**asked, **before}
        )
    if known is not None:
        metrics = [{"Dimensions": [{"Name": "ModelId", "Value": each}]} for each in known]
        listed = {"Namespace": source.namespace, "MetricName": source.counts}
        stubber.add_response("list_metrics", {"Metrics": metrics}, listed)
    stubber.activate()
    return lambda _: made


def fitted(source: Source, made: Callable[..., Any], timezone: str = "UTC") -> Any:
    return measured_traffic(
        "eu-north-1", source, timezone=timezone, spread=SPREAD, now=NOW, client=made
    )


def test_weeks_fall_on_each_other_in_the_time_zone_of_the_deployment() -> None:
    """Two Mondays from 7 to 8 in UTC, 60 and 120 questions in ten minutes, and once 600."""
    source = Source.of_model(MODEL)
    first = datetime(2026, 10, 12, 7, tzinfo=UTC)
    weeks = [
        {first + timedelta(weeks=week, minutes=10 * ten): count for ten in range(6)}
        for week, count in enumerate((60.0, 120.0))
    ]
    weeks[1][first + timedelta(weeks=1)] = 600.0
    calls = {first: 100.0}
    pages = [
        {"counts": weeks[0], "input_tokens": {first: 90_000.0}, "input_tokens_calls": calls},
        {"counts": weeks[1], "output_tokens": {first: 12_000.0}, "output_tokens_calls": calls},
    ]

    found = fitted(source, client(source, pages), "Europe/Stockholm")

    busy = [period for period in found.traffic["periods"] if period["mean_per_hour"]]
    # Until the end of October, Stockholm is two hours ahead. The third Monday, the 26th, has none,
    # and its hour is one later; it is measured, too.
    mean = (6 * 60 + 5 * 120 + 600) * 6 / 12
    assert busy == [
        {"days": "mon", "hours": "9-10", "mean_per_hour": pytest.approx(mean * 12 / 18, abs=0.1),
         "peak_per_hour": 3600.0}
    ]  # fmt: skip
    assert found.traffic["input_tokens"] == {"mean": 900.0, "p95": 1350.0}
    assert found.traffic["output_tokens"] == {"mean": 120.0, "p95": 240.0}
    assert found.questions == 1560
    assert found.hours_of_week == 168
    Traffic.model_validate({"timezone": "Europe/Stockholm", **found.traffic})


def test_the_questions_of_a_deployed_stack_are_counted_by_its_own_metric() -> None:
    source = Source.of_deployment("dev")
    assert source.dimensions == {"Deployment": "dev", "service": "answer"}
    found = fitted(source, client(source, [{"counts": {UNTIL - timedelta(hours=1): 250.0}}]))
    assert found.questions == 250
    assert set(found.traffic) == {"periods"}  # no call of a model, no tokens


def test_what_is_missing_is_named_with_what_there_is() -> None:
    source = Source.of_model("mistral.ministral")
    with pytest.raises(UserError, match=rf"no Invocations of ModelId .*; there are {MODEL}"):
        fitted(source, client(source, [{}], known=[MODEL]))
    with pytest.raises(UserError, match="at least 200 questions; there are 3"):
        fitted(source, client(source, [{"counts": {UNTIL - timedelta(hours=1): 3.0}}]))
    with pytest.raises(UserError, match=r"CloudWatch refused: .*AccessDenied"):
        fitted(source, client(source, [], error="AccessDenied"))


def test_the_commands_print_the_section_and_write_it_into_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source.of_model(MODEL)
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=20)
    counts = {begin + timedelta(hours=hour): 3.0 for hour in range(20 * 24)}

    def answer() -> None:
        session = SimpleNamespace(client=client(source, [{"counts": counts}], whenever=True))
        monkeypatch.setattr(
            "sustainability.operate.measured_traffic.boto3.Session", lambda **_: session
        )

    answer()
    assert main(["plan", "deployments/dev.yaml", "--from-account", MODEL]) == 0
    told = capsys.readouterr().out
    assert f"# Fitted to the metrics of {MODEL} in eu-north-1: 1,440 questions" in told
    assert "divide the rates by" in told  # what the cache answers reached no model
    assert {period["mean_per_hour"] for period in yaml.safe_load(told)["traffic"]["periods"]} == {3}

    monkeypatch.setattr("sustainability.commands.new._DEPLOYMENTS", tmp_path)
    asked = ["new", "team", "--from-account", MODEL, "--yes"]
    assert main(asked) == 1
    assert "--from-account needs --region" in capsys.readouterr().err
    answer()
    assert main([*asked, "--region", "eu-north-1", "--timezone", "Europe/Paris"]) == 0
    traffic = Deployment.load(tmp_path / "team.yaml").traffic
    assert traffic.timezone == "Europe/Paris"
    assert traffic.questions_per_month == pytest.approx(3 * 730, rel=0.01)
    assert "Fitted to the metrics of" in (tmp_path / "team.yaml").read_text()
