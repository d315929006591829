"""What every deployment's templates must hold, whatever the deployment says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cfnlint.rules import Match
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from rag.settings import AnswerSettings
from stacks import budget
from sustainability.deployment.schema import (
    Availability,
    BedrockUse,
    Deployment,
    ServiceLevel,
    SmallFirst,
)
from tests.infrastructure.reading import Templates, flat, resources

Synthesize = Callable[[Deployment], Templates]
WITHOUT_RESOURCES = (
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "sustainability:",
    "xray:",
)
"""IAM knows no resource for these actions."""


def of_this_project(function: dict[str, Any]) -> bool:
    return str(function["Handler"]).startswith(("rag.", "operations."))


RECORDED = (
    *((name, "rag") for name in ("local", "dev", "prod", "examples/vectors")),
    ("prod", "monitoring"),
    *(
        (f"examples/{mode}", stack)
        for mode in ("async", "batch", "bridged", "realtime")
        for stack in ("inference", "monitoring")
    ),
    ("examples/bridged", "models"),
    ("examples/tuned", "customization"),
    ("examples/tuned", "inference"),
    ("dev", "budget"),
)
"""Each kind of stack in each form that it takes, once: what differs by a number is not recorded."""


@pytest.mark.parametrize(
    ("name", "stack"), RECORDED, ids=lambda part: part.removeprefix("examples/")
)
def test_template_is_as_recorded(
    name: str, stack: str, templates_of: Callable[[str], Templates], snapshot: SnapshotAssertion
) -> None:
    """Show every change of infrastructure in review, in one file for each stack."""
    deployment = name.removeprefix("examples/")
    template = json.dumps(templates_of(name)[f"{deployment}-{stack}"])
    masked = json.loads(re.sub(r'\b[0-9a-f]{64}\b|(?<="Code": ")[0-9a-f]{16}\b', "ASSET", template))
    assert masked == snapshot(extension_class=JSONSnapshotExtension), (
        f"the template of {deployment}-{stack} has changed; if it should, record it: "
        "pytest tests/infrastructure -k recorded --snapshot-update"
    )


def test_cfn_lint_finds_nothing(
    templates: Templates,
    deployment_name: str,
    cfn_lint: Callable[[dict[str, Any], str], list[Match]],
) -> None:
    region = Deployment.load(f"deployments/{deployment_name}.yaml").region
    for stack, template in templates.items():
        stands_in = budget.REGION if stack.endswith("-budget") else region
        assert cfn_lint(template, stands_in) == []


def test_functions_are_arm64_and_log_to_a_group_that_forgets(templates: Templates) -> None:
    kept = {
        name: resource["Properties"]["RetentionInDays"]
        for template in templates.values()
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Logs::LogGroup"
    }
    functions = [f for f in resources(templates, "AWS::Lambda::Function") if of_this_project(f)]
    assert functions
    for function in functions:
        assert function["Architectures"] == ["arm64"]
        assert 0 < kept[function["LoggingConfig"]["LogGroup"]["Ref"]] <= 90
        assert function["LoggingConfig"]["ApplicationLogLevel"] == "INFO"


def test_no_function_may_do_everything(templates: Templates) -> None:
    for policy in resources(templates, "AWS::IAM::Policy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                assert "*" not in action
                assert statement["Resource"] != "*" or action.startswith(WITHOUT_RESOURCES)


def test_a_message_whose_function_died_comes_back_as_soon_as_aws_allows(
    templates: Templates,
) -> None:
    (ingest,) = (
        function
        for function in resources(templates, "AWS::Lambda::Function")
        if function["Handler"] == "rag.ingest_handler.handler"
    )
    (queue,) = (
        queue for queue in resources(templates, "AWS::SQS::Queue") if "RedrivePolicy" in queue
    )
    assert queue["VisibilityTimeout"] == ingest["Timeout"]


def test_the_api_answers_before_the_gateway_gives_up(templates: Templates) -> None:
    (answer,) = (
        function
        for function in resources(templates, "AWS::Lambda::Function")
        if function["Handler"] == "rag.answer_handler.handler"
    )
    settings = json.loads(answer["Environment"]["Variables"]["ANSWER_SETTINGS"])
    assert settings["deadline_s"] < answer["Timeout"] < 30


def test_every_route_wants_a_signature(templates: Templates) -> None:
    routes = list(resources(templates, "AWS::ApiGatewayV2::Route"))
    assert {route["RouteKey"] for route in routes} == {"POST /answers", "GET /answers/{id}"}
    assert {route["AuthorizationType"] for route in routes} == {"AWS_IAM"}


def test_serverless_store_has_no_floor_and_the_stated_ceiling(synthesize: Synthesize) -> None:
    deployment = Deployment.load("deployments/local.yaml")
    serverless = deployment.knowledge.serverless.model_copy(update={"max_ocu": 8})
    knowledge = deployment.knowledge.model_copy(update={"serverless": serverless})
    (group,) = resources(
        synthesize(deployment.model_copy(update={"knowledge": knowledge})),
        "AWS::OpenSearchServerless::CollectionGroup",
    )
    assert group["Generation"] == "NEXTGEN"
    assert group["CapacityLimits"] == {
        "MinIndexingCapacityInOcu": 0,
        "MinSearchCapacityInOcu": 0,
        "MaxIndexingCapacityInOcu": 8,
        "MaxSearchCapacityInOcu": 8,
    }


@pytest.mark.parametrize(
    ("availability", "nodes"),
    [(Availability.BEST_EFFORT, 1), (Availability.STANDARD, 1), (Availability.HIGH, 3)],
)
def test_a_domain_has_spare_nodes_only_where_availability_asks(
    synthesize: Synthesize, availability: Availability, nodes: int
) -> None:
    deployment = Deployment.load("deployments/prod.yaml")
    level = deployment.service_level.model_copy(update={"availability": availability})
    templates = synthesize(deployment.model_copy(update={"service_level": level}))
    (domain,) = resources(templates, "AWS::OpenSearchService::Domain")
    (index,) = resources(templates, "Custom::KnowledgeIndex")
    assert domain["ClusterConfig"]["InstanceCount"] == nodes
    assert json.loads(index["Index"])["settings"]["index"]["number_of_replicas"] == nodes - 1


def test_documents_outlive_the_stack_in_production_only(synthesize: Synthesize) -> None:
    for name, policy in {"dev": "Delete", "prod": "RetainExceptOnCreate"}.items():
        (template,) = (
            template
            for stack, template in synthesize(Deployment.load(f"deployments/{name}.yaml")).items()
            if stack.endswith("-rag")
        )
        (bucket,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::S3::Bucket")
        assert bucket["DeletionPolicy"] == policy


@pytest.mark.parametrize(
    ("generator", "resource"),
    [
        ("mistral.ministral-3-3b-instruct", ":bedrock:eu-north-1::foundation-model/mistral."),
        ("eu.amazon.nova-micro-v1:0", "inference-profile/eu.amazon.nova-micro-v1:0"),
    ],
)
def test_the_answer_function_may_call_its_model_and_no_other(
    synthesize: Synthesize, generator: str, resource: str
) -> None:
    deployment = Deployment.load("deployments/dev.yaml")
    answers = deployment.answers.model_copy(update={"generator": generator})
    templates = synthesize(deployment.model_copy(update={"answers": answers}))
    allowed = [
        json.dumps(statement["Resource"])
        for policy in resources(templates, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "bedrock:InvokeModel"
        and policy["PolicyName"].startswith("Answer")
    ]
    assert any(resource in text for text in allowed)
    assert all("foundation-model/*" not in text for text in allowed)


def test_the_answer_function_may_call_what_is_asked_first_only_where_it_is_a_gain(
    synthesize: Synthesize,
) -> None:
    deployment = Deployment.load("deployments/dev.yaml")
    small, large = "mistral.ministral-3-3b-instruct", "qwen.qwen3-32b-v1:0"
    for generator, first, asked in ((large, small, True), (small, large, False)):
        answers = deployment.answers.model_copy(
            update={
                "generator": generator,
                "small_first": SmallFirst(model=first, accepted=0.5),
            }
        )
        templates = synthesize(deployment.model_copy(update={"answers": answers}))
        text = json.dumps(
            [p for p in resources(templates, "AWS::IAM::Policy") if "Answer" in p["PolicyName"]]
        )
        assert (first in text) is asked
        (answer,) = (
            function["Environment"]["Variables"]
            for function in resources(templates, "AWS::Lambda::Function")
            if function["Handler"] == "rag.answer_handler.handler"
        )
        steps = json.loads(answer["SMALL_FIRST"])
        assert steps == {"fit": 0.85, "model": first if asked else None, "grounded": 0.9}
        assert ("SmallAnswers" in answer["METRICS"].split()) is asked
        # Lambda refuses more than 4 kB of names and values.
        for function in resources(templates, "AWS::Lambda::Function"):
            variables = function.get("Environment", {}).get("Variables", {})
            assert len(json.dumps(variables)) < 4096


def endpoint_that_never_sleeps() -> Deployment:
    """Return a deployment whose answers must not leave for Bedrock."""
    deployment = Deployment.load("deployments/dev.yaml")
    inference = deployment.inference.model_copy(update={"bedrock": BedrockUse.NEVER})
    return deployment.model_copy(update={"inference": inference})


def test_answers_that_may_not_leave_for_bedrock_come_from_an_endpoint(
    synthesize: Synthesize,
) -> None:
    templates = synthesize(endpoint_that_never_sleeps())
    assert {"dev-rag", "dev-inference", "dev-models"} <= set(templates)
    (answer,) = (
        function["Environment"]["Variables"]
        for function in resources(templates, "AWS::Lambda::Function")
        if function["Handler"] == "rag.answer_handler.handler"
    )
    told = json.loads(answer["GENERATOR_ENDPOINT"])
    assert answer["GENERATOR_FALLBACK"] == "never"
    assert told["timeout_s"] > 0


@pytest.mark.parametrize(("deadline", "queued"), [("30m", True), ("12h", False)])
def test_answers_that_can_wait_need_no_bedrock(
    synthesize: Synthesize, deadline: str, queued: bool
) -> None:
    deployment = endpoint_that_never_sleeps()
    level = ServiceLevel.model_validate({"deadline": deadline})
    templates = synthesize(deployment.model_copy(update={"service_level": level}))
    (answer,) = (
        function["Environment"]["Variables"]
        for function in resources(templates, "AWS::Lambda::Function")
        if function["Handler"] == "rag.answer_handler.handler"
    )
    settings = AnswerSettings.load({name: flat(value) for name, value in answer.items()})
    assert settings.deferral is not None
    assert settings.deferral.model
    assert (settings.deferral.endpoint is not None) == queued
    assert not settings.bedrock_may_answer


def test_the_documents_are_read_by_the_answer_function_and_by_named_readers(
    synthesize: Synthesize,
) -> None:
    deployment = Deployment.load("deployments/local.yaml")
    reader = "arn:aws:iam::123456789012:role/analyst"
    serverless = deployment.knowledge.serverless.model_copy(update={"readers": (reader,)})
    knowledge = deployment.knowledge.model_copy(update={"serverless": serverless})
    named = synthesize(deployment.model_copy(update={"knowledge": knowledge}))
    policies = [
        policy
        for resource in resources(named, "AWS::OpenSearchServerless::AccessPolicy")
        if "aoss:ReadDocument" in (policy := flat(resource["Policy"]))
        and "aoss:WriteDocument" not in policy  # as ingest has, which reads its own vectors back
    ]
    assert sorted(reader in policy for policy in policies) == [False, True]


def test_answers_that_quote_need_no_generator(synthesize: Synthesize) -> None:
    deployment = Deployment.load("deployments/dev.yaml")
    answers = deployment.answers.model_copy(update={"generator": "extractive"})
    templates = synthesize(deployment.model_copy(update={"answers": answers}))
    models = [
        json.dumps(statement["Resource"])
        for policy in resources(templates, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "bedrock:InvokeModel"
    ]
    assert models
    assert all("embed" in text for text in models)
