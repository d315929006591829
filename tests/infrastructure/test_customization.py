"""The stack that tunes, against the definition of its pipeline and the endpoint that it serves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sustainability.deployment.schema import Deployment, Training
from sustainability.errors import UserError
from sustainability.plan.serving import plan_serving
from sustainability.plan.tuning import tuning
from tests.infrastructure.reading import Template, Templates, flat, only, resources
from tests.pipeline_definition import CREATES, check, steps

JOBS = ("Training", "Processing")
ROLE = "arn:aws:iam::123456789012:role/step"
BUCKET = re.compile(r"s3://data/([a-z]+)")


@pytest.fixture(scope="module")
def templates(templates_of: Callable[[str], Templates]) -> Templates:
    return templates_of("examples/tuned")


@pytest.fixture(scope="module")
def stack(templates: Templates) -> Template:
    return templates["tuned-customization"]


@pytest.fixture(scope="module")
def definition(stack: Template) -> dict[str, Any]:
    """Return the definition as CloudFormation fills it in."""
    body = only(stack, "AWS::SageMaker::Pipeline")["PipelineDefinition"]["PipelineDefinitionBody"]
    text, values = body["Fn::Sub"]
    known = {"Bucket": "data", "ModelPackageGroup": "models"}

    def value(name: str) -> str:
        given = values[name]
        if name in known:
            return known[name]
        if name.endswith("Role"):
            return ROLE
        return given if isinstance(given, str) else "123456789012.dkr.ecr.x.amazonaws.com/a:b"

    filled = re.sub(r"\$\{(\w+)\}", lambda name: value(name[1]), text)
    assert set(re.findall(r"\$\{(\w+)\}", text)) == values.keys()
    parsed: dict[str, Any] = json.loads(filled)
    return parsed


def by_name(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["Name"]: step for step in steps(definition)}


def places(step: dict[str, Any], *, written: bool, all_steps: dict[str, Any]) -> Iterator[str]:
    """Yield the prefixes of the data bucket that a job reads or writes."""
    arguments = step["Arguments"]
    writing = [
        arguments.get(key)
        for key in ("OutputDataConfig", "ProcessingOutputConfig", "CheckpointConfig")
    ]
    reading = [
        arguments.get(key) for key in ("InputDataConfig", "ProcessingInputs", "CheckpointConfig")
    ]
    text = json.dumps(writing if written else reading)
    yield from BUCKET.findall(text)
    for origin in re.findall(r"Steps\.(\w+)\.", text):
        # A step reads what another one leaves as its result, not that one's checkpoints.
        result = json.dumps(
            {k: v for k, v in all_steps[origin]["Arguments"].items() if k.endswith("OutputConfig")}
            | {"out": all_steps[origin]["Arguments"].get("OutputDataConfig")}
        )
        yield from BUCKET.findall(result)


def allowed(stack: Template, step: str, action: str) -> set[str]:
    """Return the prefixes of the data bucket on which the role of a step may do something."""
    (policy,) = (
        resource["Properties"]["PolicyDocument"]["Statement"]
        for name, resource in stack["Resources"].items()
        if resource["Type"] == "AWS::IAM::Policy" and name.startswith(f"{step}Role")
    )
    found: set[str] = set()
    for statement in policy:
        named = statement["Resource"]
        if action == statement["Action"]:
            for each in named if isinstance(named, list) else [named]:
                found |= set(re.findall(r"^<Data\w+>/([a-z]+)/\*$", flat(each)))
    return found


def test_each_step_is_a_request_that_the_service_takes(definition: dict[str, Any]) -> None:
    checked = [step for step in steps(definition) if step["Type"] in CREATES]
    for step in checked:
        check(step)
    assert len(checked) == 6


@pytest.mark.parametrize("step", ["Prepare", "Tune", "Evaluate", "Gate", "Compile"])
def test_a_role_may_touch_exactly_what_its_step_reads_and_writes(
    stack: Template, definition: dict[str, Any], step: str
) -> None:
    named = by_name(definition)
    reads = set(places(named[step], written=False, all_steps=named))
    writes = set(places(named[step], written=True, all_steps=named))
    assert reads
    assert writes
    assert allowed(stack, step, "s3:GetObject") == reads
    assert allowed(stack, step, "s3:PutObject") == writes


def test_what_a_run_leaves_expires_but_not_before_a_step_may_read_it_again(
    stack: Template, definition: dict[str, Any]
) -> None:
    rules = only(stack, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    days = {r["Prefix"].rstrip("/"): r["ExpirationInDays"] for r in rules if "Prefix" in r}
    tagged = {r["Prefix"].rstrip("/"): r.get("TagFilters") for r in rules if "Prefix" in r}
    named = by_name(definition)
    for step in named.values():
        if step["Type"] in JOBS and "CacheConfig" in step:
            kept = int(step["CacheConfig"]["ExpireAfter"].strip("PD"))
            for prefix in places(step, written=True, all_steps=named):
                assert days[prefix] > kept or prefix == "checkpoints"
    # A model goes only when it was rejected or replaced; data and verdicts never by themselves.
    assert [prefix for prefix, tags in tagged.items() if tags] == ["compile"]
    assert not days.keys() & {"examples", "golden", "base", "gate"}
    longest = named["Tune"]["Arguments"]["StoppingCondition"]["MaxWaitTimeInSeconds"]
    assert days["checkpoints"] * 86400 > longest


def test_only_events_start_it(templates: Templates, stack: Template) -> None:
    rules = list(resources(stack, "AWS::Events::Rule"))
    assert all("ScheduleExpression" not in rule for rule in rules)
    assert {rule["EventPattern"]["source"][0] for rule in rules} == {
        "aws.cloudformation",  # a rollback, which starts no run
        "aws.s3",
        "aws.sagemaker",
    }
    assert not list(resources(stack, "AWS::Scheduler::Schedule"))
    bucket = only(stack, "AWS::S3::Bucket")
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]


def test_the_endpoint_serves_what_the_approval_writes(
    templates: Templates, stack: Template
) -> None:
    inference = templates["tuned-inference"]
    source = only(inference, "AWS::SageMaker::Model")["PrimaryContainer"]["ModelDataSource"]
    parameter = inference["Parameters"][source["S3DataSource"]["S3Uri"]["Ref"]]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert parameter["Default"] == only(stack, "AWS::SSM::Parameter")["Name"]
    (approval,) = (
        f["Environment"]["Variables"]
        for f in resources(stack, "AWS::Lambda::Function")
        if f["Handler"] == "operations.approval.handler"
    )
    assert approval["PARAMETER"] == parameter["Default"]
    assert approval["STACK"] == "tuned-inference"
    # Rolling, and back when the alarm rings.
    component = only(inference, "AWS::SageMaker::InferenceComponent")["DeploymentConfig"]
    assert component["RollingUpdatePolicy"]
    assert component["AutoRollbackConfiguration"]["Alarms"]


def test_without_the_section_there_is_none_of_it(
    templates_of: Callable[[str], Templates],
) -> None:
    templates = templates_of("examples/realtime")
    assert not any(name.endswith("-customization") for name in templates)
    (source,) = (
        m["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]["S3Uri"]
        for m in resources(templates, "AWS::SageMaker::Model")
    )
    assert "compiled/" in flat(source)


def tuned(**training: Any) -> Deployment:
    deployment = Deployment.load("deployments/examples/tuned.yaml")
    assert deployment.customization is not None
    wishes = deployment.customization.model_copy(update={"training": Training(**training)})
    return deployment.model_copy(update={"customization": wishes})


def test_trainium_is_taken_where_the_region_has_it() -> None:
    deployment = tuned().model_copy(update={"region": "us-west-2"})
    found = tuning(deployment, plan_serving(deployment))
    assert found is not None
    assert found.instance_type == "ml.trn1.2xlarge"
    assert "neuronx" in found.image.uri


def test_what_the_region_lacks_is_said_with_the_setting() -> None:
    deployment = tuned(instance="ml.trn1.2xlarge")
    with pytest.raises(UserError, match=r"training\.instance: .* not one of ml\.g6\.xlarge"):
        tuning(deployment, plan_serving(deployment))


def test_a_deployment_without_an_endpoint_cannot_tune() -> None:
    dev = Deployment.load("deployments/dev.yaml")
    deployment = dev.model_copy(update={"customization": tuned().customization})
    with pytest.raises(UserError, match="a tuned model needs an endpoint"):
        tuning(deployment, plan_serving(deployment))
