"""The hourly function beside the stacks that it measures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from cfnlint.api import ManualArgs, lint

from stacks.components.operations import Operations, proxy_metrics
from stacks.inference import InferenceStack
from stacks.models import ModelsStack
from stacks.rag import RagStack
from sustainability.coefficients import as_json, coefficients
from sustainability.deployment import Deployment
from sustainability.nag.pack import SustainabilityChecks
from sustainability.serving import plan_serving
from sustainability.serving_plan import Mode, ServingPlan
from tests.infrastructure.test_inference import BRIDGED

ROOT = Path(__file__).resolve().parents[2]
Template = dict[str, Any]
Synthesize = Callable[[str], Template]


def planned(name: str) -> tuple[Deployment, ServingPlan]:
    """Return a deployment and its plan; `bridged` is `dev` with an endpoint, `batch` has a job."""
    if name == "bridged":
        return Deployment.load(ROOT / "deployments" / "dev.yaml"), BRIDGED
    if name == "batch":
        name = "examples/batch"
    deployment = Deployment.load(ROOT / "deployments" / f"{name}.yaml")
    return deployment, plan_serving(deployment)


@pytest.fixture(scope="session")
def synthesize_alone(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    context = json.loads((ROOT / "cdk.json").read_text())["context"]

    @cache
    def synthesize(name: str) -> Template:
        deployment, plan = planned(name)
        app = cdk.App(context=context, outdir=str(tmp_path_factory.mktemp("cdk.out")))
        env = cdk.Environment(region=deployment.region)
        rag = RagStack(app, "rag", deployment=deployment, plan=plan, env=env)
        inference = None
        if plan.mode is not Mode.BEDROCK:
            ModelsStack(app, "models", deployment=deployment, env=env)
            inference = InferenceStack(app, "inference", deployment=deployment, plan=plan, env=env)
        stack = cdk.Stack(app, "operations", env=env)
        Operations(
            stack, "Operations", deployment=deployment, plan=plan, rag=rag, inference=inference
        )
        cdk.Validations.of(app).add_plugins(
            SustainabilityChecks(app, settings=deployment.rule_settings),
            cdk_nag.AwsSolutionsChecks(app),
            cdk_nag.ServerlessChecks(app),
        )
        template: Template = app.synth().get_stack_by_name("operations").template
        return template

    return synthesize


@pytest.fixture(params=["dev", "prod", "bridged"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def template(name: str, synthesize_alone: Synthesize) -> Template:
    return synthesize_alone(name)


def only(template: Template, type_: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == type_
    ]


def function(template: Template) -> dict[str, Any]:
    (found,) = (
        properties
        for properties in only(template, "AWS::Lambda::Function")
        if properties["Handler"] == "operations.handler.handler"
    )
    return found


def test_it_passes_every_check_and_cfn_lint(template: Template) -> None:
    config = ManualArgs(regions=["eu-north-1"], ignore_checks=["W3005"])
    assert lint(json.dumps(template), config=config) == []


def test_its_settings_fit_into_a_function_and_hold_the_footprints_coefficients(
    name: str, template: Template
) -> None:
    environment = function(template)["Environment"]["Variables"]
    told = json.loads(environment["COEFFICIENTS"])
    assert told == as_json(coefficients(*planned(name)))
    assert len(json.dumps(environment)) < 4096  # what Lambda takes


def test_it_runs_each_hour_and_a_failed_run_is_left_to_the_next(template: Template) -> None:
    schedules = {
        schedule["ScheduleExpression"]: json.loads(schedule["Target"]["Input"])
        for schedule in only(template, "AWS::Scheduler::Schedule")
    }
    assert schedules == {"cron(5 * * * ? *)": {}, "cron(30 6 20 * ? *)": {"task": "account"}}
    (retries,) = only(template, "AWS::Lambda::EventInvokeConfig")
    assert retries["MaximumRetryAttempts"] == 0


def test_it_may_read_metrics_and_touch_its_own_bucket_and_no_more(template: Template) -> None:
    statements = [
        statement
        for policy in only(template, "AWS::IAM::Policy")
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
        ("dev", {"max_search_units"}),
        ("prod", {"domain", "nodes"}),
        ("bridged", {"max_search_units", "endpoint", "variant", "samples_per_hour"}),
        ("batch", {"max_search_units", "endpoint", "samples_per_hour"}),
    ],
)
def test_it_is_told_what_there_is_to_measure(
    asked: set[str], name: str, synthesize_alone: Synthesize
) -> None:
    sources = json.dumps(function(synthesize_alone(name))["Environment"]["Variables"]["SOURCES"])
    assert set(re.findall(r'\\"(\w+)\\":', sources)) == {"answer", "ingest", "account"} | asked


def test_the_documentation_has_the_table_of_metrics() -> None:
    documentation = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for row in proxy_metrics():
        cells = (f"`{row['name']}`", row["unit"], row["written"], row["meaning"])
        assert f"| {' | '.join(cells)} |" in documentation
