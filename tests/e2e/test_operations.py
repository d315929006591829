"""What an hour took, told by the deployed function, is what its answers say, added up by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from local.embedded import EmbeddedAws
from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.footprint.coefficients import coefficients
from sustainability.footprint.footprint import footprint
from sustainability.operate.account import Account
from sustainability.plan.serving import plan_serving
from tests.e2e.conftest import LOCAL, quiet
from tests.record_ends import check_end

TERN = """\
# Tern station

The Tern station stands on a sandbank and measures the tide with a steel rod.

It was opened in 1974 and is tended by two keepers.
"""
QUESTIONS = (
    "How does the Tern station measure the tide?",
    "When was the Tern station opened?",
    "when was the Tern station opened?",
    "Which sauce goes with asparagus?",
)
HOUR = timedelta(hours=1)


class Operations:
    """The deployed function, and the clock that its metrics go by."""

    def __init__(self, client: Callable[[str], Any], emulator: str) -> None:
        self._lambda, self._cloudwatch = client("lambda"), client("cloudwatch")
        self._emulator = emulator
        pages = client("cloudformation").get_paginator("list_stack_resources")
        functions = {
            self._lambda.get_function_configuration(FunctionName=name)["Handler"]: name
            for stack in ("local-rag", "local-monitoring")
            for name in pages.paginate(StackName=stack).search(
                "StackResourceSummaries[?ResourceType=='AWS::Lambda::Function'].PhysicalResourceId"
            )
        }
        self.name = functions["operations.handler.handler"]
        self.functions = {
            kind: functions[f"rag.{kind}_handler.handler"] for kind in ("answer", "ingest")
        }

    def now(self) -> datetime:
        answer = urllib3.request("POST", f"{self._emulator}/_local/clock?forward_s=0").json()
        return datetime.fromtimestamp(answer["now"], UTC)

    def __call__(self, hour: datetime) -> list[str]:
        return self.run({"hour": hour.isoformat()})

    def run(self, event: dict[str, str]) -> list[str]:
        answer = self._lambda.invoke(FunctionName=self.name, Payload=json.dumps(event))
        said = json.load(answer["Payload"])
        assert "FunctionError" not in answer, said
        written: list[str] = said["hours"]
        return written

    def total(self, metric: str, hours: list[datetime], **dimensions: str) -> float:
        """Return the sum over hours, of our metrics or with a FunctionName of AWS Lambda's."""
        points = self._cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda" if "FunctionName" in dimensions else "SustainableGenerativeAI",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=hours[0],
            EndTime=hours[-1] + HOUR,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    def answers(self, metric: str, hours: list[datetime]) -> float:
        return self.total(metric, hours, Deployment="local", service="answer")


@pytest.fixture(scope="module")
def operations(account: Account, client: Callable[[str], Any], embedded: EmbeddedAws) -> Operations:
    assert account.outputs
    return Operations(client, embedded.running()["emulator"].url)


def records(account: Account, hours: list[datetime]) -> list[dict[str, Any]]:
    wanted = {hour.strftime("%Y-%m-%dT%H:%M:%SZ") for hour in hours}
    return [record for record in account.history(hours[0]) if record["hour"] in wanted]


def test_the_hour_of_some_answers_is_their_sum_by_hand(
    account: Account, operations: Operations, tmp_path: Path
) -> None:
    started = operations.now()
    hours = [started.replace(minute=0, second=0, microsecond=0)]
    operations(hours[0])
    added_before = sum(r["added_by_questions"]["kwh"][1] for r in records(account, hours))
    before = {
        metric: operations.answers(metric, hours)
        for metric in ("Questions", "CacheHits", "BedrockAnswers", "InputTokens", "OutputTokens")
    }
    file = tmp_path / "tern.md"
    file.write_text(TERN)
    account.wait_until_settled(account.add({"tern.md": file}), seconds=600, progress=quiet)
    answers = [account.ask(question, patience_s=600, progress=quiet) for question in QUESTIONS]
    if operations.now() >= hours[0] + HOUR:  # the clock may strike in between
        hours.append(hours[0] + HOUR)
    for hour in hours:
        assert operations(hour) == [hour.strftime("history/%Y/%m/%d/%H.json")]

    told = records(account, hours)
    usage = {name: sum(r["usage"][name] for r in told) for name in told[0]["usage"]}
    spent = [answer["usage"] for answer in answers if not answer["cached"]]
    tokens = {kind: sum(u[f"{kind}_tokens"] for u in spent) for kind in ("input", "output")}
    assert [answer["cached"] for answer in answers] == [False, False, True, False]
    assert usage["questions"] - before["Questions"] == 4
    assert usage["input_tokens"] - before["InputTokens"] == tokens["input"] > 0
    assert usage["output_tokens"] - before["OutputTokens"] == tokens["output"] > 0
    assert sum(r["answers"]["cached"] for r in told) - before["CacheHits"] == 1
    assert sum(r["answers"]["bedrock"] for r in told) - before["BedrockAnswers"] == 2
    for kind, function in operations.functions.items():
        seconds = operations.total("Duration", hours, FunctionName=function) / 1000
        assert usage[f"{kind}_seconds"] == pytest.approx(seconds, rel=1e-3)

    # What the hour's questions added is what their answers state; the rest nobody asked for.
    stated = sum(answer["added"]["energy_wh"]["mid"] for answer in answers) / 1000
    added = sum(r["added_by_questions"]["kwh"][1] for r in told) - added_before
    assert added == pytest.approx(stated, rel=1e-3)
    for record in told:
        parts = zip(record["added_by_questions"]["kwh"], record["unasked"]["kwh"], strict=True)
        assert [sum(part) for part in parts] == pytest.approx(record["taken"]["kwh"], rel=1e-3)

    deployment = Deployment.load(LOCAL)
    unit = coefficients(deployment, plan_serving(deployment))
    by_hand = Impact.total(unit[name] * amount for name, amount in usage.items())
    for measure, estimate in (
        ("kwh", by_hand.kwh), ("carbon_g", by_hand.carbon_g), ("usd", by_hand.usd),
    ):  # fmt: skip
        for end in range(3):
            check_end(sum(r["taken"][measure][end] for r in told), estimate, end)


def test_the_same_again_changes_nothing(account: Account, operations: Operations) -> None:
    hours = [
        datetime.fromisoformat(record["hour"])
        for record in account.history(operations.now() - 24 * HOUR)
    ]
    assert hours
    # The store publishes its capacity each minute while it runs: one may begin in between.
    assert any([operations(hour) for hour in hours] == [[]] * len(hours) for _ in range(3))


def test_the_report_reads_the_history(account: Account, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    outcome = subprocess.run(
        [sys.executable, "-m", "sustainability", "report", str(LOCAL), "--html", str(page)],
        capture_output=True,
        text=True,
        check=True,
    )
    answered = sum(r["answers"]["answered"] for r in account.history(datetime(2026, 1, 1)))
    (total,) = (line.split() for line in outcome.stdout.splitlines() if line.startswith("all "))
    assert total[2] == f"{answered:.0f}"
    assert "Measured footprint of local" in page.read_text()


def test_an_hour_without_questions_is_the_idle_floor(
    account: Account, operations: Operations
) -> None:
    hour = operations.now().replace(minute=0, second=0, microsecond=0) - 30 * HOUR
    assert operations(hour)
    (record,) = records(account, [hour])
    deployment = Deployment.load(LOCAL)
    idle = footprint(deployment, plan_serving(deployment)).idle
    assert record["answers"]["questions"] == 0
    assert record["per_answer"] is None
    for measure, estimate in (("kwh", idle.kwh), ("carbon_g", idle.carbon_g), ("usd", idle.usd)):
        for end, value in enumerate(record["taken"][measure]):
            check_end(value * HOURS_PER_MONTH, estimate, end)


def test_a_scheduled_run_fills_the_gaps_and_the_next_one_finds_nothing(
    account: Account, operations: Operations
) -> None:
    started = datetime.now(UTC)  # the function's own clock, which no test moves
    written = operations.run({})
    told = {
        datetime.fromisoformat(record["hour"])
        for record in account.history(operations.now() - 48 * HOUR)
    }
    first = min(told)
    settled = int((started - 3 * HOUR - first) / HOUR)
    assert settled > 24
    assert {first + HOUR * number for number in range(settled)} <= told
    # Not all by this run: the deployed schedule may run the function meanwhile.
    assert set(written) <= {hour.strftime("history/%Y/%m/%d/%H.json") for hour in told}
    if started.hour == datetime.now(UTC).hour:
        assert operations.run({}) == []
