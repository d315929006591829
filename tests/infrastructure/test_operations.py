"""The hourly function beside the stacks that it measures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.instruments.metrics import proxy_metrics
from sustainability.deployment.schema import Deployment
from sustainability.footprint.coefficients import coefficients, packed
from sustainability.plan.serving import plan_serving
from tests.infrastructure.reading import Template, resources

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["dev", "prod", "examples/bridged"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def template(name: str, templates_of: Callable[[str], dict[str, Template]]) -> Template:
    """Return the stack that the function is in."""
    return next(body for stack, body in templates_of(name).items() if stack.endswith("monitoring"))


def function(template: Template) -> dict[str, Any]:
    (found,) = (
        properties
        for properties in resources(template, "AWS::Lambda::Function")
        if properties["Handler"] == "operations.handler.handler"
    )
    return found


def test_its_settings_fit_into_a_function_and_hold_the_footprints_coefficients(
    name: str, template: Template
) -> None:
    environment = function(template)["Environment"]["Variables"]
    told = json.loads(environment["COEFFICIENTS"])
    deployment = Deployment.load(ROOT / "deployments" / f"{name}.yaml")
    assert told == packed(coefficients(deployment, plan_serving(deployment)))
    assert len(json.dumps(environment)) < 4096  # what Lambda takes


def test_it_runs_twice_a_day_and_a_failed_run_is_left_to_the_next(template: Template) -> None:
    schedules = {
        schedule["ScheduleExpression"]: json.loads(schedule["Target"]["Input"])
        for schedule in resources(template, "AWS::Scheduler::Schedule")
    }
    assert schedules == {"cron(10 3/12 * * ? *)": {}, "cron(30 6 20 * ? *)": {"task": "account"}}
    (retries,) = resources(template, "AWS::Lambda::EventInvokeConfig")
    assert retries["MaximumRetryAttempts"] == 0


def test_it_may_read_metrics_and_touch_its_own_bucket_and_no_more(template: Template) -> None:
    statements = [
        statement
        for policy in resources(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    actions = {
        action
        for statement in statements
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert actions - {"xray:PutTelemetryRecords", "xray:PutTraceSegments"} == {
        "cloudwatch:GetMetricData",
        "lambda:InvokeFunction",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "sustainability:GetEstimatedCarbonEmissions",
    }


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("dev", {"vectors"}),
        ("prod", {"domain", "nodes", "quality"}),
        ("examples/bridged", {"group", "group_id", "endpoint", "variant", "endpoint_sleeps"}),
        ("examples/batch", {"group", "group_id", "endpoint", "variant", "endpoint_sleeps"}),
    ],
)
def test_it_is_told_what_there_is_to_measure(asked: set[str], template: Template) -> None:
    sources = json.dumps(function(template)["Environment"]["Variables"]["SOURCES"])
    assert set(re.findall(r'\\"(\w+)\\":', sources)) == {"answer", "ingest", "account"} | asked


def test_the_documentation_has_the_table_of_metrics() -> None:
    documentation = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for row in proxy_metrics():
        cells = (f"`{row['name']}`", row["unit"], row["written"], row["meaning"])
        assert f"| {' | '.join(cells)} |" in documentation
