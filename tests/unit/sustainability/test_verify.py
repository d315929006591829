"""``verify``: what works passes, what does not fails, what nobody has seen is neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.operate import verification
from sustainability.operate.account import Account, AccountError, DocumentState

DEPLOYMENT = str(Path(__file__).parents[3] / "deployments" / "dev.yaml")
OWN = [{"Name": "Deployment", "Value": "dev"}, {"Name": "service", "Value": "answer"}]


class Deployed(Account):
    """A deployment that works, unless told not to."""

    status, cites, unsigned, known = "indexed", True, 403, True

    def __init__(self, *_: Any) -> None:
        self.keys: list[str] = []
        self.asked: list[str] = []
        self.outputs = {"ApiUrl": "https://api.example"}  # type: ignore[misc]

    def add(self, files: Mapping[str, Path]) -> dict[str, str]:
        self.keys += files
        return dict.fromkeys(files, "tag")

    def wait_until_settled(self, etags: Mapping[str, str], **_: Any) -> list[DocumentState]:
        if not self.known:
            raise AccountError("at https://bucket.s3.example of 123456789012: not indexed")
        (key,) = etags
        return [DocumentState(key, self.status, "no text", "tag", 1, 0)]

    def call(self, *_: Any, **__: Any) -> Any:
        return self.unsigned, {}, {}

    def ask(self, question: str, **_: Any) -> dict[str, Any]:
        cited = [{"document": self.keys[-1]}] if self.cites else []
        self.asked.append(question)
        return {"citations": cited, "served_by": "bedrock", "cached": len(self.asked) > 1}

    def remove(self, key: str) -> None:
        if key in self.keys:
            self.keys.remove(key)

    def wait_until_removed(self, keys: Any, **_: Any) -> None:
        assert not set(keys) & set(self.keys)


class CloudWatch:
    """Two alarms on one metric; what was published is in `published`."""

    published: list[tuple[str, list[dict[str, str]]]]

    def __init__(self) -> None:
        written = verification._WRITTEN_BY_ANSWERS
        self.published = [*((name, OWN) for name in written), ("Throttles", [])]

    def get_paginator(self, call: str) -> CloudWatch:
        self.call = call
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        if self.call == "describe_alarms":
            plain = {"Namespace": "AWS/Lambda", "MetricName": "Throttles", "Dimensions": []}
            return [{"MetricAlarms": [plain, {"Metrics": [{"MetricStat": {"Metric": plain}}]}]}]
        name = arguments["MetricName"]
        return [{"Metrics": [{"Dimensions": d} for known, d in self.published if known == name]}]

    def list_dashboards(self, **_: Any) -> dict[str, Any]:
        return {"DashboardEntries": [{"DashboardName": "dev-owner"}]}


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    cloudwatch = CloudWatch()

    class Session:
        def __init__(self, **_: Any) -> None:
            pass

        def client(self, _: str) -> CloudWatch:
            return cloudwatch

    monkeypatch.setattr(verification.boto3, "Session", Session)
    return cloudwatch


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, cloudwatch: CloudWatch) -> type[Deployed]:
    class Mine(Deployed):
        pass

    monkeypatch.setattr(verification, "Account", Mine)
    return Mine


@pytest.fixture
def rows(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, dict[str, str], str]]:
    def rows() -> tuple[int, dict[str, str], str]:
        code = main(["verify", DEPLOYMENT, "--json"])
        text = capsys.readouterr().out
        return code, {row["name"]: row["verdict"] for row in json.loads(text)}, text

    return rows


def test_what_works_passes(deployed: type[Deployed], rows: Any) -> None:
    code, verdicts, _ = rows()
    assert code == 0
    assert set(verdicts.values()) == {"passed"}
    assert len(verdicts) == 8


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        ({"status": "rejected"}, "a document is indexed"),
        ({"known": False}, "a document is indexed"),
        ({"cites": False}, "a question finds it"),
        ({"unsigned": 200}, "the API refuses an unsigned request"),
    ],
)
def test_what_does_not_work_fails_and_the_probe_is_taken_away(
    deployed: type[Deployed], rows: Any, fault: dict[str, Any], row: str
) -> None:
    for name, value in fault.items():
        setattr(deployed, name, value)
    code, verdicts, text = rows()
    assert (code, verdicts[row]) == (1, "failed")
    assert verdicts["a document is deleted"] == "passed"
    assert not any(word in text for word in ("123456789012", "s3.example"))


def test_a_metric_that_nobody_has_published_is_neither_passed_nor_zero(
    deployed: type[Deployed], cloudwatch: CloudWatch, rows: Any
) -> None:
    cloudwatch.published = [("Throttles", [{"Name": "FunctionName", "Value": "other"}])]
    code, verdicts, text = rows()
    untold = {name for name, verdict in verdicts.items() if verdict == "unknown"}
    assert code == 0
    assert len(untold) == 2
    assert "not seen yet: AWS/Lambda Throttles" in text
