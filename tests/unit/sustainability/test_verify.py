"""``verify``: what works passes, what does not fails, what nobody has seen is neither."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment
from sustainability.operate import standing, verification
from sustainability.operate.account import Account, AccountError, DocumentState

DEPLOYMENT = str(Path(__file__).parents[3] / "deployments" / "dev.yaml")
OWN = [{"Name": "Deployment", "Value": "dev"}, {"Name": "service", "Value": "answer"}]


class Deployed(Account):
    """A deployment that works, unless told not to."""

    status, cites, unsigned, known, tokens = "indexed", True, 403, True, 900

    def __init__(self, *_: Any) -> None:
        self.keys: list[str] = []
        self.asked: list[str] = []
        self.outputs = {  # type: ignore[misc]
            "ApiUrl": "https://api.example",
            "IngestQueueUrl": "queue",
            "DeadLettersUrl": "dead",
        }

    def add(self, files: Mapping[str, Path]) -> dict[str, str]:
        self.keys += files
        return dict.fromkeys(files, "tag")

    def wait_until_settled(self, etags: Mapping[str, str], **_: Any) -> list[DocumentState]:
        if not self.known:
            raise AccountError("at https://bucket.s3.example of 123456789012: not indexed")
        (key,) = etags
        return [DocumentState(key, self.status, "no text", "tag", 1, "", 0)]

    def call(self, *_: Any, **__: Any) -> Any:
        return self.unsigned, {}, {}

    def ask(self, question: str, **_: Any) -> dict[str, Any]:
        cited = [{"document": self.keys[-1]}] if self.cites else []
        self.asked.append(question)
        usage = {"input_tokens": self.tokens, "output_tokens": 30}
        cached = len(self.asked) > 1
        return {"citations": cited, "served_by": "bedrock", "cached": cached, "usage": usage}

    def functions(self) -> list[str]:
        return ["answer", "ingest"]

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
        self.allowed: set[str] = set()
        self.dead, self.waiting = "dead", "0"
        self.compiled: dict[str, int] | None = None
        self.awake_periods = 0
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

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        return {"Role": f"arn:aws:iam::123456789012:role/{FunctionName}"}

    def simulate_principal_policy(
        self, PolicySourceArn: str, ActionNames: list[str]
    ) -> dict[str, Any]:
        return {
            "EvaluationResults": [
                {
                    "EvalActionName": action,
                    "EvalDecision": "allowed" if action in self.allowed else "implicitDeny",
                }
                for action in ActionNames
            ]
        }

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        policy = {"deadLetterTargetArn": self.dead, "maxReceiveCount": 3}
        told = {"QueueArn": QueueUrl, "ApproximateNumberOfMessages": self.waiting}
        return {"Attributes": told | {"RedrivePolicy": json.dumps(policy)}}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self.compiled is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(self.compiled).encode())}

    def get_metric_statistics(self, **_: Any) -> dict[str, Any]:
        return {"Datapoints": [{"Maximum": 2.0}] * self.awake_periods}

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
    monkeypatch.setattr(standing.boto3, "Session", Session)
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
    assert len(verdicts) == 11


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        ({"status": "rejected"}, "a document is indexed"),
        ({"known": False}, "a document is indexed"),
        ({"cites": False}, "a question finds it"),
        ({"unsigned": 200}, "the API refuses an unsigned request"),
        ({"tokens": 90_000}, "the run takes what was stated"),
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


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"allowed": {"iam:PassRole"}}, "each function's role is refused what it must not do"),
        ({"dead": "elsewhere"}, "the queue keeps what fails, and gives it back"),
        ({"waiting": "4"}, "the queue keeps what fails, and gives it back"),
    ],
)
def test_what_a_deployment_stands_on_is_looked_at(
    deployed: type[Deployed],
    cloudwatch: CloudWatch,
    rows: Any,
    change: dict[str, Any],
    row: str,
) -> None:
    for name, value in change.items():
        setattr(cloudwatch, name, value)
    code, verdicts, _ = rows()
    assert (code, verdicts[row]) == (1, "failed")


SHAPE = {"batch_size": 8, "sequence_length": 4096, "tp_degree": 2}


@pytest.mark.parametrize(
    ("compiled", "verdict"),
    [(SHAPE, "passed"), (SHAPE | {"batch_size": 4}, "failed"), (None, "unknown")],
)
def test_a_compiled_model_is_the_plans(
    deployed: type[Deployed], cloudwatch: CloudWatch, compiled: Any, verdict: str
) -> None:
    cloudwatch.compiled = compiled
    checks = quickly("examples/bridged")
    assert checks["the compiled model is the plan's"] == verdict


@pytest.mark.parametrize(
    ("group", "periods", "verdict"),
    [("bridged-knowledge", 3, "passed"), ("bridged-knowledge", 288, "unknown"),
     ("another", 0, "unknown")],
)  # fmt: skip
def test_a_store_that_nobody_has_measured_is_not_said_to_sleep(
    deployed: type[Deployed], cloudwatch: CloudWatch, group: str, periods: int, verdict: str
) -> None:
    dimensions = [{"Name": "CollectionGroupName", "Value": group}]
    cloudwatch.published.append(("SearchOCU", dimensions))
    cloudwatch.awake_periods = periods
    assert quickly("examples/bridged")["the store sleeps"] == verdict


def quickly(name: str) -> dict[str, str]:
    """Return the verdict of each row that needs no probe."""
    deployment = Deployment.load(Path(DEPLOYMENT).parent / f"{name}.yaml")
    checks = verification.verify(deployment, lambda _: None, quick=True)
    return {check.name: check.verdict.value for check in checks}
