"""What starts a run, and what it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from operations import handler as module
from operations.handler import InvalidEvent, handler
from operations.settings import Settings, SettingsError
from tests.unit.operations.fakes import QUANTITIES, Bucket, CloudWatch

HOUR = datetime(2026, 11, 23, 5, tzinfo=UTC)
ENVIRONMENT = {
    "DEPLOYMENT": "test",
    "AWS_REGION": "eu-north-1",
    "ACCOUNTING": "location",
    "HISTORY_BUCKET": "history",
    "SOURCES": '{"answer": "ask", "ingest": "read", "account": "1", "group": "g", "group_id": "i"}',
    "COEFFICIENTS": json.dumps({quantity: [[1, 2, 3], [], [], []] for quantity in QUANTITIES}),
    "LITRES_PER_KWH": '{"": [0.1, 0.2, 0.3]}',
    "ADDED": '{"request": [0, 0, 0, 0, 0, 0]}',
    "METRICS": "TotalEnergyWhMid",
    "TARGETS": '[["kwh", "answer", 0.001, "2026-12-31"]]',
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    clients: dict[str, Any] = {
        "s3": Bucket(),
        "cloudwatch": CloudWatch({HOUR: {"questions": 2.0, "cached": 2.0}}),
    }
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(module, "_client", clients.__getitem__)
    module._settings.cache_clear()
    yield clients["s3"]
    module._settings.cache_clear()


def test_an_hour_by_its_name_is_stored_and_measured_once(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {"hour": "2026-11-23T05:00:00Z"}
    assert handler(event, None) == {"hours": ["history/2026/11/23/05.json"]}
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    (line,) = (line for line in lines if "_aws" in line)
    assert line["_aws"]["Timestamp"] == HOUR.timestamp() * 1000
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert list(map(set, directive["Dimensions"])) == [{"service", "Deployment"}]
    assert (line["Deployment"], line["service"]) == ("test", "operations")
    assert line["TotalEnergyWhMid"] == [(1 + 1 + 2) * 2 * 1000]
    assert directive["Metrics"] == [{"Name": "TotalEnergyWhMid", "Unit": "None"}]
    assert handler(event, None) == {"hours": []}
    assert "_aws" not in capsys.readouterr().out
    assert bucket.writes == 1


def test_where_nobody_reads_the_metrics_none_is_sent(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS", "")
    assert handler({"hour": "2026-11-23T05:00:00Z"}, None)["hours"]
    assert "_aws" not in capsys.readouterr().out


def test_before_anything_is_known_the_schedules_event_records_nothing(bucket: Bucket) -> None:
    assert handler({}, None) == {"hours": [], "days": []}


@pytest.mark.parametrize(
    "event",
    [{"hour": "now"}, {"hour": "2026-11-23T05:30:00Z"}, {"hour": "2026-11-23T05:00:00"},
     {"task": "sleep"}, {"hour": "2026-11-23T05:00:00Z", "task": "account"}],
)  # fmt: skip
def test_another_event_is_refused(bucket: Bucket, event: dict[str, str]) -> None:
    with pytest.raises(InvalidEvent):
        handler(event, None)
    assert bucket.writes == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COEFFICIENTS", '{"hours": [[3, 2, 1], [], [], []]}'),
        ("COEFFICIENTS", '{"hours": [[1, 2, 3]]}'),
        ("COEFFICIENTS", "nothing"),
        ("SOURCES", '{"answer": "ask"}'),
        ("HISTORY_BUCKET", " "),
        ("TARGETS", '[["kwh", "answer", 0.001]]'),
        ("TARGETS", '[["kwh", "answer", 0.001, "soon"]]'),
    ],
)
def test_a_setting_that_is_missing_or_broken_is_named(name: str, value: str) -> None:
    assert Settings.load(ENVIRONMENT).sources.answer == "ask"
    with pytest.raises(SettingsError, match=name):
        Settings.load(ENVIRONMENT | {name: value})
