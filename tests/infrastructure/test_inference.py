"""The inference stack in every mode: it is what the plan says, and it passes every check."""

from __future__ import annotations

import json
import py_compile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import aws_lambda as lambda_
from cfnlint.rules import Match

from local.metric_math import evaluate
from stacks.compiled_models import ModelsStack
from stacks.inference import InferenceStack
from sustainability.decide.region_requirements import check_offers
from sustainability.deployment.schema import Deployment, ServiceLevel
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.compiled_models import SERVING_IMAGE
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import (
    Batch,
    DemandThreshold,
    Mode,
    ScheduledAction,
    ServingPlan,
)
from tests.infrastructure.reading import Template, flat, only, resources

ROOT = Path(__file__).resolve().parents[2]
MODEL = InferenceModel.named("qwen3-1.7b", Facts())

BRIDGED = ServingPlan(
    mode=Mode.BRIDGED,
    instance_type="ml.inf2.24xlarge",
    expected_instance_hours=100,
    expected_utilization=0.5,
    bedrock_share=0.3,
    expected_attainment=0.99,
    model=MODEL,
    inference_components=True,
    copies_per_instance=6,
    min_copies=0,
    max_copies=9,
    target_concurrency=6,
    scale_out_cooldown_s=60,
    scale_in_cooldown_s=300,
    wake=DemandThreshold(questions_per_period=40, period_s=300, datapoints=2),
    sleep=DemandThreshold(questions_per_period=20, period_s=300, datapoints=4),
    patience_s=3,
    schedule=(
        ScheduledAction(days=(0, 1, 2, 3, 4), hour=8, minute=30, min_copies=1, max_copies=9),
    ),
    reasons=(),
)
REALTIME = replace(
    BRIDGED,
    mode=Mode.REALTIME,
    min_copies=7,
    target_invocations_per_minute=90,
    wake=None,
    sleep=None,
)
INSTANCES = replace(
    REALTIME, inference_components=False, copies_per_instance=1, min_copies=2, max_copies=4
)
ASYNC = replace(
    INSTANCES,
    mode=Mode.ASYNC,
    min_copies=0,
    target_invocations_per_minute=None,
    target_backlog=20,
    backlog_minutes=2,
    schedule=(),
)
BATCH = replace(ASYNC, mode=Mode.BATCH, max_copies=2, batch=Batch(hours=(2, 14), run_s=3600))
BEDROCK_BATCH = replace(
    BATCH, instance_type=None, model=None, max_copies=0, batch=Batch(hours=(2,), run_s=3600)
)
PLANS = {
    "bridged": BRIDGED,
    "realtime": REALTIME,
    "instances": INSTANCES,
    "async": ASYNC,
    "batch": BATCH,
    "bedrock-batch": BEDROCK_BATCH,
}
SERVED = {name: plan for name, plan in PLANS.items() if plan.model}
Synthesize = Callable[..., Template]


@pytest.fixture(scope="module")
def synthesize(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Return a function from a plan and inference settings to a template that cdk-nag passed."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]

    @cache
    def synthesize(plan: ServingPlan, stack: str = "inference", **inference: Any) -> Template:
        deployment = dev(**inference)
        app = cdk.App(context=context, outdir=str(tmp_path_factory.mktemp("cdk.out")))
        env = cdk.Environment(region=deployment.region)
        ModelsStack(app, "models", deployment=deployment, env=env)
        InferenceStack(app, "inference", deployment=deployment, plan=plan, env=env)
        cdk.Validations.of(app).add_plugins(
            cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app)
        )
        template: Template = app.synth().get_stack_by_name(stack).template
        return template

    return synthesize


def dev(**inference: Any) -> Deployment:
    deployment = Deployment.load(ROOT / "deployments" / "dev.yaml")
    return deployment.model_copy(
        update={"inference": deployment.inference.model_copy(update=inference)}
    )


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> ServingPlan:
    return PLANS[request.param]


def policies(template: Template) -> dict[str, dict[str, Any]]:
    """Return the configuration of each scaling policy by its logical id."""
    return {
        name: next(
            value for key, value in resource["Properties"].items() if key.endswith("Configuration")
        )
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::ApplicationAutoScaling::ScalingPolicy"
    }


def triggers(template: Template) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each alarm that scales, with the configuration of the step policy that it runs."""
    steps = policies(template)
    return [
        (alarm, steps[alarm["AlarmActions"][0]["Ref"]])
        for alarm in resources(template, "AWS::CloudWatch::Alarm")
        if "AlarmActions" in alarm
    ]


@pytest.mark.parametrize("name", ["instances", "bedrock-batch"])  # of no deployment of ours
def test_what_no_deployment_of_ours_has_passes_cdk_nag_and_cfn_lint(
    synthesize: Synthesize, name: str, cfn_lint: Callable[[Template, str], list[Match]]
) -> None:
    assert cfn_lint(synthesize(PLANS[name]), "eu-north-1") == []


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        (Mode.BRIDGED, {"answers": {"generator": "qwen.qwen3-32b-v1:0"}}),
        (Mode.REALTIME, {"inference": {"bedrock": "never", "max_instances": 8}}),
        (
            Mode.ASYNC,
            {"service_level": {"deadline": "30m"}, "inference": {"bedrock": "never"}},
        ),
        (
            Mode.BATCH,
            {"service_level": {"deadline": "12h"}, "inference": {"bedrock": "never"}},
        ),
    ],
)
def test_what_is_planned_for_a_deployment_can_be_built(
    mode: Mode, changes: dict[str, Any], tmp_path: Path
) -> None:
    prod = Deployment.load(ROOT / "deployments" / "prod.yaml").model_dump(mode="json")
    del prod["rules"]["profile"]
    deployment = Deployment.model_validate(prod | changes)
    plan = plan_serving(deployment)
    check_offers(deployment, plan)
    app = cdk.App(outdir=str(tmp_path))
    env = cdk.Environment(region=deployment.region)
    InferenceStack(app, "inference", deployment=deployment, plan=plan, env=env)
    template = app.synth().get_stack_by_name("inference").template
    assert plan.mode is mode
    assert only(template, "AWS::SageMaker::Model")


@pytest.mark.parametrize("plan", SERVED.values(), ids=SERVED)
def test_the_server_is_told_the_shapes_that_its_artifacts_were_compiled_for(
    synthesize: Synthesize, plan: ServingPlan
) -> None:
    model = only(synthesize(plan), "AWS::SageMaker::Model")
    container = model["PrimaryContainer"]
    source = container["ModelDataSource"]["S3DataSource"]
    assert model["EnableNetworkIsolation"] is True
    assert container["Environment"]["SM_ON_BATCH_SIZE"] == str(MODEL.slots)
    assert container["Environment"]["SM_ON_SEQUENCE_LENGTH"] == str(MODEL.sequence_length)
    assert container["Environment"]["SM_ON_TENSOR_PARALLEL_SIZE"] == str(MODEL.tensor_parallel)
    assert container["Environment"]["ACCELERATOR_DEPLOYMENT"] == "dev"
    assert container["Environment"]["ACCELERATOR_ENDPOINT"]
    assert "SM_ON_ALLOW_NON_CACHED_MODEL" not in container["Environment"]
    assert source["CompressionType"] == "None"
    assert f"batch-{MODEL.slots}-length-{MODEL.sequence_length}-cores-2/" in json.dumps(source)


def test_a_bridged_endpoint_rests_at_no_copy_and_no_instance(synthesize: Synthesize) -> None:
    template = synthesize(BRIDGED)
    (variant,) = only(template, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    component = only(template, "AWS::SageMaker::InferenceComponent")
    target = only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert "ModelName" not in variant
    assert variant["ManagedInstanceScaling"]["MinInstanceCount"] == 0
    assert variant["ManagedInstanceScaling"]["MaxInstanceCount"] == 2
    assert component["RuntimeConfig"]["CopyCount"] == 0
    requirements = component["Specification"]["ComputeResourceRequirements"]
    assert requirements["NumberOfAcceleratorDevicesRequired"] == MODEL.chips
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 9)
    assert target["ResourceId"] == f"inference-component/{component['InferenceComponentName']}"


def test_demand_wakes_the_first_copy_only_while_none_is_awake(synthesize: Synthesize) -> None:
    (alarm, step), *_ = (
        (alarm, step)
        for alarm, step in triggers(synthesize(BRIDGED))
        if "IF(" in alarm.get("Metrics", [{"Expression": ""}])[0].get("Expression", "")
    )
    series = {metric["Id"]: metric.get("MetricStat") for metric in alarm["Metrics"]}
    assert alarm["Metrics"][0]["Expression"].startswith("IF(FILL(awake, 0) > 0, 0, ")
    assert series["awake"]["Metric"]["Namespace"] == "/aws/sagemaker/InferenceComponents"
    assert series["questions"]["Metric"] == {
        "Namespace": "SustainableGenerativeAI",
        "MetricName": "GenerationLatency",
        "Dimensions": [
            {"Name": "Deployment", "Value": "dev"},
            {"Name": "service", "Value": "answer"},
        ],
    }
    assert series["questions"]["Stat"] == "SampleCount"
    assert series["awake"]["Period"] == series["questions"]["Period"] == 300
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (40, 2)
    assert step["AdjustmentType"] == "ChangeInCapacity"
    assert step["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    assert step["Cooldown"] >= Facts()("serving/cold_start", "s").high


def test_low_demand_lets_all_copies_go_even_if_nobody_asks_at_all(synthesize: Synthesize) -> None:
    ((alarm, step),) = (
        (alarm, step)
        for alarm, step in triggers(synthesize(BRIDGED))
        if alarm["ComparisonOperator"] == "LessThanThreshold"
    )
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (20, 4)
    assert step["AdjustmentType"] == "ExactCapacity"
    assert step["StepAdjustments"] == [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}]


@pytest.mark.parametrize(
    ("seen", "sleeps"),
    [
        ({}, True),
        ({"questions": 19}, True),
        ({"questions": 20}, False),
        ({"calls": 20}, False),
        ({"refused": 20}, False),
        ({"calls": 12, "refused": 8}, False),
        ({"questions": 12, "calls": 12}, True),
    ],
    ids=["nobody", "few", "our own", "others", "others, while it wakes", "as it wakes", "the same"],
)
def test_who_calls_beside_the_answer_function_keeps_a_copy_awake(
    synthesize: Synthesize, seen: dict[str, float], sleeps: bool
) -> None:
    (alarm,) = (
        alarm
        for alarm, _ in triggers(synthesize(BRIDGED))
        if alarm["ComparisonOperator"] == "LessThanThreshold"
    )
    metrics = {query["Id"]: query for query in alarm["Metrics"]}
    (expression,) = (query["Expression"] for query in metrics.values() if "Expression" in query)
    names = {name: query["MetricStat"] for name, query in metrics.items() if "MetricStat" in query}
    assert names["calls"]["Metric"]["MetricName"] == "Invocations"
    assert [d["Name"] for d in names["calls"]["Metric"]["Dimensions"]] == ["InferenceComponentName"]
    assert {name["Stat"] for name in names.values()} == {"SampleCount", "Sum"}
    (value,) = evaluate(expression, {name: [seen.get(name)] for name in names}, 1)
    assert value is not None, "missing data is no demand, not missing"
    assert (value < alarm["Threshold"]) is sleeps


def test_as_many_refused_calls_wake_a_copy_as_questions_do(synthesize: Synthesize) -> None:
    ((alarm, step),) = (
        (alarm, step)
        for alarm, step in triggers(synthesize(BRIDGED))
        if alarm.get("MetricName") == "NoCapacityInvocationFailures"
    )
    assert [dimension["Name"] for dimension in alarm["Dimensions"]] == ["InferenceComponentName"]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Sum", 40)
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (300, 2)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert step["StepAdjustments"][0]["ScalingAdjustment"] == 1


@pytest.mark.parametrize(
    ("plan", "metrics"),
    [
        (
            REALTIME,
            {
                "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": 6,
                "SageMakerInferenceComponentInvocationsPerCopy": 90,
            },
        ),
        (
            INSTANCES,
            {
                "SageMakerVariantConcurrentRequestsPerModelHighResolution": 6,
                "SageMakerVariantInvocationsPerInstance": 90,
            },
        ),
    ],
)
def test_copies_follow_the_load_at_the_plans_targets(
    synthesize: Synthesize, plan: ServingPlan, metrics: dict[str, float]
) -> None:
    template = synthesize(plan)
    assert metrics == {
        policy["PredefinedMetricSpecification"]["PredefinedMetricType"]: policy["TargetValue"]
        for policy in policies(template).values()
    }
    target = only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (plan.min_copies, plan.max_copies)
    assert triggers(template) == []


def test_the_week_is_scheduled_in_the_traffics_time_zone(synthesize: Synthesize) -> None:
    target = only(synthesize(BRIDGED), "AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["ScheduledActions"] == [
        {
            "ScheduledActionName": "mon-tue-wed-thu-fri-0830",
            "Schedule": "cron(30 8 ? * MON,TUE,WED,THU,FRI *)",
            "Timezone": "Europe/Stockholm",
            "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 9},
        }
    ]


def test_an_update_at_noon_leaves_the_copies_that_are_awake(tmp_path: Path) -> None:
    def copies(awake: int | None) -> int:
        app = cdk.App(context={"copies": awake}, outdir=str(tmp_path / str(awake)))
        env = cdk.Environment(region="eu-north-1")
        InferenceStack(app, "inference", deployment=dev(), plan=BRIDGED, env=env)
        template = app.synth().get_stack_by_name("inference").template
        component = only(template, "AWS::SageMaker::InferenceComponent")
        return int(component["RuntimeConfig"]["CopyCount"])

    assert [copies(awake) for awake in (None, 0, 3, 99)] == [0, 0, 3, BRIDGED.max_copies]


@pytest.mark.parametrize("least", [0, 1])
def test_no_update_of_one_copy_in_halves(synthesize: Synthesize, least: int) -> None:
    component = only(
        synthesize(replace(BRIDGED, min_copies=least)), "AWS::SageMaker::InferenceComponent"
    )
    assert "DeploymentConfig" not in component


def test_what_a_queue_gives_out_is_not_routed(synthesize: Synthesize) -> None:
    (queued,) = only(synthesize(ASYNC), "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    (asked,) = only(synthesize(INSTANCES), "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    assert "RoutingConfig" not in queued
    assert "RoutingConfig" in asked


@pytest.mark.parametrize("plan", SERVED.values(), ids=SERVED)
def test_sagemaker_may_ask_for_the_log_group_that_is_there(
    synthesize: Synthesize, plan: ServingPlan
) -> None:
    template = synthesize(plan)
    (group,) = (
        group["LogGroupName"]
        for group in resources(template, "AWS::Logs::LogGroup")
        if "LogGroupName" in group
    )
    (allowed,) = (
        statement["Resource"]
        for policy in resources(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "logs:CreateLogGroup"
    )
    assert any(flat(arn).endswith(f":log-group:{group}") for arn in allowed)


@pytest.mark.parametrize("plan", [REALTIME, INSTANCES], ids=["copies", "instances"])
def test_updates_roll_and_errors_roll_them_back(synthesize: Synthesize, plan: ServingPlan) -> None:
    template = synthesize(plan)
    kind = "InferenceComponent" if plan.inference_components else "Endpoint"
    update = only(template, f"AWS::SageMaker::{kind}")["DeploymentConfig"]
    (alarm,) = update["AutoRollbackConfiguration"]["Alarms"]
    errors = template["Resources"][alarm["AlarmName"]["Ref"]]["Properties"]
    assert update["RollingUpdatePolicy"]["MaximumBatchSize"]["Value"] == 1
    assert errors["MetricName"] == "Invocation5XXErrors"
    assert errors["Threshold"] == pytest.approx(1 - dev().service_level.attainment)


def test_a_single_instance_is_not_updated_in_halves(synthesize: Synthesize) -> None:
    endpoint = only(synthesize(replace(INSTANCES, min_copies=1)), "AWS::SageMaker::Endpoint")
    assert "RollingUpdatePolicy" not in endpoint["DeploymentConfig"]


def test_another_instance_type_is_a_new_endpoint_beside_the_old_one(
    synthesize: Synthesize,
) -> None:
    # A variant that scales cannot change its type, and a name cannot be taken twice.
    before = synthesize(INSTANCES)
    after = synthesize(replace(INSTANCES, instance_type="ml.inf2.xlarge"))
    kinds = ("::Endpoint", "::EndpointConfig", "::ScalableTarget", "::ScalingPolicy")

    def scaled(template: Template) -> set[str]:
        return {
            name
            for name, resource in template["Resources"].items()
            if resource["Type"].endswith(kinds)
        }

    assert scaled(before).isdisjoint(scaled(after))
    name = "AWS::SageMaker::Endpoint"
    assert only(before, name)["EndpointName"] != only(after, name)["EndpointName"]
    assert "EndpointConfigName" not in only(before, "AWS::SageMaker::EndpointConfig")


def test_an_asynchronous_endpoint_sleeps_until_its_queue_has_work(synthesize: Synthesize) -> None:
    template = synthesize(ASYNC)
    config = only(template, "AWS::SageMaker::EndpointConfig")["AsyncInferenceConfig"]
    target = only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    ((alarm, step),) = triggers(template)
    (tracking,) = (p for p in policies(template).values() if "TargetValue" in p)
    topics = config["OutputConfig"]["NotificationConfig"]
    assert config["ClientConfig"]["MaxConcurrentInvocationsPerInstance"] == MODEL.slots
    assert topics["SuccessTopic"] != topics["ErrorTopic"]
    assert target["MinCapacity"] == 0
    assert (alarm["MetricName"], alarm["Threshold"]) == ("HasBacklogWithoutCapacity", 1)
    assert step["StepAdjustments"][0]["ScalingAdjustment"] == 1
    metric = tracking["CustomizedMetricSpecification"]
    assert (metric["MetricName"], tracking["TargetValue"]) == (
        "ApproximateBacklogSizePerInstance",
        20,
    )


def machine(template: Template) -> dict[str, Any]:
    """Return the state machine's definition, every reference in it replaced by X."""
    definition = only(template, "AWS::StepFunctions::StateMachine")["DefinitionString"]
    parsed: dict[str, Any] = json.loads(flat(definition))
    return parsed


@pytest.mark.parametrize("plan", [BATCH, BEDROCK_BATCH], ids=["inferentia2", "bedrock"])
def test_a_window_opens_in_the_plans_hours_and_closes_before_the_next(
    synthesize: Synthesize, plan: ServingPlan
) -> None:
    template = synthesize(plan)
    assert plan.batch is not None
    hours = ",".join(map(str, plan.batch.hours))
    schedule = only(template, "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == f"cron(0 {hours} * * ? *)"
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Stockholm"
    assert machine(template)["TimeoutSeconds"] == 86400 // len(plan.batch.hours)
    assert machine(template)["QueryLanguage"] == "JSONata"
    assert machine(template)["StartAt"] in machine(template)["States"]


def test_a_queue_may_become_a_window_and_keep_its_mailbox(synthesize: Synthesize) -> None:
    # It has a name, so it could not be made a second time.
    def mailboxes(template: Template) -> list[str]:
        return [
            name
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::S3::Bucket"
        ]

    assert mailboxes(synthesize(ASYNC)) == mailboxes(synthesize(BATCH))
    assert len(mailboxes(synthesize(ASYNC))) == 1


@pytest.mark.parametrize(("deadline", "days"), [("30m", 8), ("12h", 8), ("10d", 17)])
def test_the_mailbox_outlives_the_deadline_by_a_week(
    deadline: str, days: int, tmp_path: Path
) -> None:
    app = cdk.App(outdir=str(tmp_path))
    level = ServiceLevel.model_validate({"deadline": deadline})
    deployment = dev().model_copy(update={"service_level": level})
    env = cdk.Environment(region="eu-north-1")
    InferenceStack(app, "inference", deployment=deployment, plan=BEDROCK_BATCH, env=env)
    template = app.synth().get_stack_by_name("inference").template
    (rule,) = only(template, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == days


def test_a_window_without_questions_starts_no_instance(synthesize: Synthesize) -> None:
    template = synthesize(BATCH)
    target = only(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 2)
    states = machine(template)["States"]
    assert states["Any"]["Default"] == "Done"
    assert states["Any"]["Choices"][0]["Condition"] == "{% $count($keys) > 0 %}"


def test_a_window_has_no_job_that_a_model_of_ones_own_cannot_be_used_with(
    synthesize: Synthesize,
) -> None:
    template = synthesize(BATCH)
    assert "ModelDataSource" in only(template, "AWS::SageMaker::Model")["PrimaryContainer"]
    assert "ransformJob" not in json.dumps(template)


@pytest.mark.parametrize(
    "generator", ["mistral.ministral-3-3b-instruct", "eu.amazon.nova-micro-v1:0"]
)
def test_bedrocks_job_may_use_the_model_and_the_mailbox_alone(
    generator: str, tmp_path: Path
) -> None:
    app = cdk.App(outdir=str(tmp_path))
    deployment = dev()
    answers = deployment.answers.model_copy(update={"generator": generator})
    deployment = deployment.model_copy(update={"answers": answers})
    env = cdk.Environment(region="eu-north-1")
    InferenceStack(app, "inference", deployment=deployment, plan=BEDROCK_BATCH, env=env)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    template = app.synth().get_stack_by_name("inference").template
    (job,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in resources(template, "AWS::IAM::Policy")
        if policy["PolicyName"].startswith("BatchJobRole")
    )
    assert [statement["Action"] for statement in job] == [
        "bedrock:InvokeModel",
        "s3:ListBucket",
        "s3:GetObject",
        "s3:PutObject",
    ]
    assert generator.removeprefix("eu.") in json.dumps(job[0]["Resource"])


def test_the_image_that_serves_is_built_before_with_what_compiles(synthesize: Synthesize) -> None:
    template = synthesize(BRIDGED, "models")
    association = only(template, "AWS::SSM::Association")
    project = only(template, "AWS::CodeBuild::Project")
    runbook = only(template, "AWS::SSM::Document")["Content"]
    assert association["WaitForSuccessTimeoutSeconds"] > 60 * project["TimeoutInMinutes"]
    built = next(
        variable["Value"]
        for variable in project["Environment"]["EnvironmentVariables"]
        if variable["Name"] == "IMAGE"
    )
    served = only(synthesize(BRIDGED), "AWS::SageMaker::Model")["PrimaryContainer"]["Image"]
    assert built == served == template["Outputs"][SERVING_IMAGE]["Value"]
    name = only(template, "AWS::ECR::Repository")["RepositoryName"]
    assert f"/{name}:" in flat(built)
    assert runbook["mainSteps"][-1]["inputs"]["DesiredValues"] == ["SUCCEEDED"]


def test_the_compile_job_may_write_models_and_logs_and_nothing_else(
    synthesize: Synthesize,
) -> None:
    template = synthesize(BRIDGED, "models")
    (policy,) = (
        policy["PolicyDocument"]["Statement"]
        for policy in resources(template, "AWS::IAM::Policy")
        if policy["PolicyName"].startswith("CompileRole")
    )
    allowed = {
        action: json.dumps(statement["Resource"])
        for statement in policy
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
        if action.startswith(("s3:", "logs:"))
    }
    assert allowed.keys() == {
        *("s3:GetObject", "s3:ListBucket", "s3:PutObject"),
        *("logs:CreateLogGroup", "logs:CreateLogStream"),
        *("logs:DescribeLogStreams", "logs:PutLogEvents"),
    }
    assert '"*"' not in allowed.values()


def test_a_machine_without_x86_can_build_the_x86_image(synthesize: Synthesize) -> None:
    dockerfile = (ROOT / "containers" / "neuron_vllm" / "Dockerfile").read_text()
    project = only(synthesize(BRIDGED, "models"), "AWS::CodeBuild::Project")
    assert project["Environment"]["Type"] == "ARM_CONTAINER"
    assert "build.sh" in project["Source"]["BuildSpec"]
    script = (ROOT / "containers" / "neuron_vllm" / "build.sh").read_text()
    assert "docker build --platform linux/amd64" in script
    assert not any(line.startswith("RUN") for line in dockerfile.splitlines())


@pytest.mark.parametrize(
    ("plan", "type_"),
    [
        (BRIDGED, "AWS::SageMaker::EndpointConfig"),
        (ASYNC, "AWS::SageMaker::EndpointConfig"),
        (BATCH, "AWS::SageMaker::EndpointConfig"),
    ],
)
def test_volumes_are_encrypted_with_the_key_that_is_asked_for(
    synthesize: Synthesize, plan: ServingPlan, type_: str
) -> None:
    key = "arn:aws:kms:eu-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert key in json.dumps(only(synthesize(plan, volume_key=key), type_))
    assert "KmsKey" not in json.dumps(only(synthesize(plan), type_))


def test_what_an_interpreter_leaves_behind_makes_no_other_image(tmp_path: Path) -> None:
    py_compile.compile(str(ROOT / "containers" / "neuron_vllm" / "emf.py"))
    app = cdk.App(outdir=str(tmp_path))
    env = cdk.Environment(region="eu-north-1")
    ModelsStack(app, "models", deployment=dev(), env=env)
    app.synth()
    (source,) = {file.parent for file in tmp_path.glob("asset.*/Dockerfile")}
    assert {file.suffix for file in source.rglob("*")} == {"", ".py", ".json", ".sh"}


def test_one_may_bring_ones_own_image(synthesize: Synthesize) -> None:
    uri = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/generators/qwen:7"
    template = synthesize(BRIDGED, image=uri)
    assert only(template, "AWS::SageMaker::Model")["PrimaryContainer"]["Image"] == uri
    assert (
        list(resources(synthesize(BRIDGED, "models", image=uri), "AWS::CodeBuild::Project")) == []
    )
    assert "arn:aws:ecr:eu-north-1:123456789012:repository/generators/qwen" in json.dumps(template)


def test_docker_is_not_needed_before_the_deployment(
    synthesize: Synthesize, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_DOCKER", "/no/such/docker")
    image = only(synthesize(BRIDGED, image="docker"), "AWS::SageMaker::Model")
    assert "cdk-hnb659fds-container-assets" in json.dumps(image["PrimaryContainer"]["Image"])


@pytest.mark.parametrize(
    ("plan", "actions"),
    [
        (
            BRIDGED,
            {
                "sagemaker:InvokeEndpoint",
                "sagemaker:InvokeEndpointWithResponseStream",
                "sagemaker:DescribeInferenceComponent",
            },
        ),
        (INSTANCES, {"sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"}),
        (
            ASYNC,
            {"sagemaker:InvokeEndpointAsync", "s3:PutObject", "s3:GetObject", "s3:ListBucket"},
        ),
        (BATCH, {"s3:PutObject", "s3:GetObject", "s3:ListBucket"}),
    ],
    ids=["copies", "instances", "async", "batch"],
)
def test_who_asks_may_do_that_alone_and_needs_nothing_of_this_stack(
    plan: ServingPlan, actions: set[str], tmp_path: Path
) -> None:
    app = cdk.App(outdir=str(tmp_path))
    env = cdk.Environment(region="eu-north-1")
    later = plan.mode in (Mode.ASYNC, Mode.BATCH)
    level = {"deadline": "12h"} if later else {"latency_p95": "12s"}
    deployment = dev().model_copy(update={"service_level": ServiceLevel.model_validate(level)})
    inference = InferenceStack(app, "inference", deployment=deployment, plan=plan, env=env)
    asker = cdk.Stack(app, "asker", env=env)
    function = lambda_.Function(
        asker,
        "Answer",
        runtime=lambda_.Runtime.PYTHON_3_14,
        handler="index.handler",
        code=lambda_.Code.from_inline("pass"),
    )
    inference.grant_invoke(function)
    template = app.synth().get_stack_by_name("asker").template
    statements = only(template, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    allowed = [
        action
        for statement in statements
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    ]
    variables = only(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    (told,) = (json.loads(flat(value)) for name, value in variables.items())
    assert set(allowed) == actions
    assert all("dev-" in json.dumps(statement["Resource"]) for statement in statements)
    assert "GetStackOutput" not in json.dumps(template)
    assert "ImportValue" not in json.dumps(template)
    assert told["model"] == MODEL.name
    if later:
        assert (told["mailbox"][:12], told["deadline_s"]) == ("dev-mailbox-", 12 * 3600)
    else:
        assert told["timeout_s"] == plan.patience_s
