"""``verify``: what works passes, what does not fails, what nobody has seen is neither."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.__main__ import _checked
from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment
from sustainability.operate import dead_letters, verification
from sustainability.operate.account import Account, AccountError, DocumentState
from sustainability.operate.checks import Row
from sustainability.plan.serving import plan_serving

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

    endpoint = "endpoint"
    slowness_s = 0.0

    def call(self, *_: Any, signed: bool = True, **__: Any) -> Any:
        time.sleep(self.slowness_s)
        return 200 if signed else self.unsigned, {}, {"served_by": "endpoint"}

    def ask(self, question: str, **_: Any) -> dict[str, Any]:
        cited = [{"document": key} for key in self.keys[-1:] if self.cites]
        self.asked.append(question)
        usage = {"input_tokens": self.tokens, "output_tokens": 30}
        cached = question in self.asked[:-1]
        return {
            "id": "1",
            "citations": cited,
            "served_by": "bedrock",
            "cached": cached,
            "usage": usage,
        }

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
        self.letters: list[dict[str, str]] = []
        self.stubborn, self.copies, self.least = False, 0, 0
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

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        policy = {"deadLetterTargetArn": self.dead, "maxReceiveCount": 3}
        waiting = int(self.waiting) + len(self.letters) if QueueUrl == "dead" else 0
        told = {"QueueArn": QueueUrl, "ApproximateNumberOfMessages": str(waiting)}
        told |= {"RedrivePolicy": json.dumps(policy)}
        return {"Attributes": {name: told[name] for name in AttributeNames if name in told}}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        self.letters = [{"MessageId": "1", "Body": MessageBody}]

    def receive_message(self, **_: Any) -> dict[str, Any]:
        return {"Messages": self.letters} if self.letters else {}

    def start_message_move_task(self, SourceArn: str, DestinationArn: str) -> None:
        assert (SourceArn, DestinationArn) == ("dead", "queue")
        self.moved, self.letters = len(self.letters), self.letters if self.stubborn else []

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        done = {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": self.moved}
        return {"Results": [done]}

    def describe_inference_component(self, **_: Any) -> dict[str, Any]:
        counts = {"DesiredCopyCount": self.copies, "CurrentCopyCount": self.copies}
        return {"RuntimeConfig": counts}

    def describe_scalable_targets(self, **_: Any) -> dict[str, Any]:
        return {"ScalableTargets": [{"MinCapacity": self.least}]}

    def register_scalable_target(self, MinCapacity: int, **_: Any) -> None:
        self.least = MinCapacity
        self.copies = max(self.copies, self.least)

    def update_inference_component_runtime_config(
        self, DesiredRuntimeConfig: dict[str, int], **_: Any
    ) -> None:
        self.copies = DesiredRuntimeConfig["CopyCount"]

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self.compiled is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(self.compiled).encode())}

    def get_metric_statistics(self, **_: Any) -> dict[str, Any]:
        return {"Datapoints": [{"Maximum": 2.0, "Sum": 2.0}] * self.awake_periods}

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

    monkeypatch.setattr(boto3, "Session", Session)
    return cloudwatch


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, cloudwatch: CloudWatch) -> type[Deployed]:
    class Mine(Deployed):
        pass

    monkeypatch.setattr(verification, "Account", Mine)
    monkeypatch.setattr(dead_letters, "Account", Mine)
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
    assert len(verdicts) == 12


@pytest.mark.parametrize(("status", "verdict"), [(401, "passed"), (403, "failed")])
def test_an_api_that_wants_tokens_refuses_with_another_status(
    deployed: type[Deployed],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    status: int,
    verdict: str,
) -> None:
    deployed.unsigned = status
    file = tmp_path / "dev.yaml"
    sign_in = "{issuer: 'https://login.example.com', audience: [api]}"
    text = Path(DEPLOYMENT).read_text() + f"\ncompany:\n  sign_in: {sign_in}\n"
    file.write_text(text)
    main(["verify", str(file), "--json"])
    told = {row["name"]: row["verdict"] for row in json.loads(capsys.readouterr().out)}
    assert told["the API refuses an unsigned request"] == verdict


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
        ({"stubborn": True}, "a dead letter goes back and is worked off"),
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


BRIDGED = Path(DEPLOYMENT).parent / "examples" / "bridged.yaml"


@pytest.mark.parametrize(("slowness_s", "answers"), [(0, "passed"), (0.3, "failed")])
def test_an_endpoint_that_may_be_woken_is_asked_and_sleeps_again(
    deployed: type[Deployed],
    cloudwatch: CloudWatch,
    monkeypatch: pytest.MonkeyPatch,
    slowness_s: float,
    answers: str,
) -> None:
    deployed.slowness_s = slowness_s
    deployment = Deployment.load(BRIDGED)
    level = deployment.service_level.model_copy(update={"latency_p95": timedelta(seconds=0.2)})
    asked = deployment.model_copy(update={"service_level": level})
    plan = plan_serving(deployment)
    monkeypatch.setattr(verification, "plan_serving", lambda _: plan)
    found = verification.verify(asked, lambda _: None, wake=True)
    verdicts = {check.name: check.verdict.value for check in found}
    assert verdicts[Row.ENDPOINT_WAKES] == verdicts[Row.ENDPOINT_SLEEPS] == "passed"
    assert verdicts[Row.ENDPOINT_ANSWERS] == answers
    assert (cloudwatch.copies, cloudwatch.least) == (0, 0)


def test_functions_that_have_not_seen_the_copy_yet_are_asked_again(
    deployed: type[Deployed], cloudwatch: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("sustainability.operate.waking.time.sleep", slept.append)

    def call(*_: Any, signed: bool = True, **__: Any) -> Any:
        return 200 if signed else 403, {}, {"served_by": "endpoint" if slept else "bedrock"}

    monkeypatch.setattr(deployed, "call", call)
    found = verification.verify(Deployment.load(BRIDGED), lambda _: None, wake=True)
    (answers,) = (check for check in found if check.name is Row.ENDPOINT_ANSWERS)
    assert answers.verdict.value == "passed"
    assert answers.evidence.endswith("round 2")
    assert len(slept) == 1


def test_without_agreement_nothing_is_woken(
    deployed: type[Deployed], cloudwatch: CloudWatch
) -> None:
    found = verification.verify(Deployment.load(BRIDGED), lambda _: None)
    (woken,) = (check for check in found if check.name is Row.ENDPOINT_WAKES)
    assert woken.verdict.value == "unknown"
    assert Row.ENDPOINT_ANSWERS not in {check.name for check in found}


@pytest.mark.parametrize("problem", [EndpointConnectionError(endpoint_url="x"), None])
def test_make_up_says_in_short_what_failed_and_goes_on(
    deployed: type[Deployed],
    cloudwatch: CloudWatch,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception | None,
) -> None:
    cloudwatch.waiting = "4"

    def list_dashboards(**_: Any) -> dict[str, Any]:
        if problem is not None:
            raise problem
        return {}

    monkeypatch.setattr(cloudwatch, "list_dashboards", list_dashboards)
    text = _checked(Deployment.load(Path(DEPLOYMENT)))
    if problem is not None:
        assert text.startswith("The deployment was not checked: ")
        return
    assert text.startswith("3 of 5 checks passed, 1 failed, 1 have nothing to see yet.")
    assert f"  {Row.QUEUE}: " in text
    assert "docs/runbook.md, DeadLetters" in text


def test_each_row_is_documented_with_its_source() -> None:
    page = (Path(DEPLOYMENT).parents[1] / "docs" / "verification.md").read_text()
    listed = re.findall(r"^\| ([^|]+?) (?:\([^|]*\) )?\| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert set(listed) - {"Row"} == {row.value for row in Row}


def quickly(name: str) -> dict[str, str]:
    """Return the verdict of each row that needs no probe."""
    deployment = Deployment.load(Path(DEPLOYMENT).parent / f"{name}.yaml")
    checks = verification.verify(deployment, lambda _: None, quick=True)
    return {check.name: check.verdict.value for check in checks}
