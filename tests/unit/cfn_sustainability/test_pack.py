"""The pack inside the CDK: the scanner's verdicts, acknowledgements, and what stops a synth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_deployment as s3_deployment
from aws_cdk import aws_s3_notifications as s3_notifications
from aws_cdk import custom_resources
from cdk_nag import NagPack

from cfn_sustainability.assembly import read_assembly
from cfn_sustainability.engine import judge
from cfn_sustainability.pack import SustainabilityChecks
from cfn_sustainability.settings import Profile, RuleSettings
from tests.unit.cfn_sustainability.cases import CASES, Case

Violations = list[dict[str, Any]]
ARM64 = "Sustainability-LambdaArm64"


@pytest.fixture
def app(tmp_path: Path) -> cdk.App:
    return cdk.App(
        outdir=str(tmp_path), builtin_cloud_formation_validation=False, analytics_reporting=False
    )


def synthesize(app: cdk.App) -> tuple[bool, Violations]:
    """Return whether synth passed, and what the pack reported."""
    passed = True
    try:
        app.synth()
    except RuntimeError as error:
        passed = "ValidationFailed" not in str(error)
    report = json.loads((Path(app.outdir) / "validation-report.json").read_text())
    ours = [r for r in report["pluginReports"] if r["pluginName"] == "Sustainability"]
    return passed, [violation for each in ours for violation in each["violations"]]


def rules_at(violations: Violations) -> set[tuple[str, str]]:
    """Return the rules with the paths of the constructs that they are about."""
    return {
        (violation["ruleName"].removeprefix("Sustainability-"), construct["constructPath"])
        for violation in violations
        for construct in violation["violatingConstructs"]
    }


def function(scope: cdk.Stack, name: str, **options: Any) -> lambda_.Function:
    """Return a function that only LambdaArm64 objects to, unless the options say otherwise."""
    return lambda_.Function(
        scope,
        name,
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
        handler="index.handler",
        log_group=logs.LogGroup(scope, f"{name}Logs", retention=logs.RetentionDays.ONE_WEEK),
        runtime=lambda_.Runtime.PYTHON_3_13,
        **options,
    )


def condition(raw: Any) -> Any:
    """Return the CDK's expression for a condition of a template."""
    ((name, arguments),) = raw.items()
    if name == "Condition":
        return cdk.Fn.condition_and(cdk.Token.as_any({"Condition": arguments}))
    if name == "Fn::Equals":
        return cdk.Fn.condition_equals(*arguments)
    combine: dict[str, Callable[..., Any]] = {
        "Fn::And": cdk.Fn.condition_and,
        "Fn::Or": cdk.Fn.condition_or,
        "Fn::Not": cdk.Fn.condition_not,
    }
    return combine[name](*map(condition, arguments))


def build(stack: cdk.Stack, body: dict[str, Any]) -> None:
    """Write a template with constructs."""
    for name, raw in body.get("Parameters", {}).items():
        cdk.CfnParameter(
            stack,
            name,
            type=raw["Type"],
            default=raw.get("Default"),
            allowed_values=raw.get("AllowedValues"),
        )
    for name, raw in body.get("Mappings", {}).items():
        cdk.CfnMapping(stack, name, mapping=raw)
    conditions = {
        name: cdk.CfnCondition(stack, name, expression=condition(raw))
        for name, raw in body.get("Conditions", {}).items()
    }
    for name, raw in body["Resources"].items():
        resource = cdk.CfnResource(
            stack, name, type=raw["Type"], properties=raw.get("Properties", {})
        )
        resource.cfn_options.condition = conditions.get(raw.get("Condition"))
    for name, raw in body.get("Outputs", {}).items():
        export = raw.get("Export", {}).get("Name")
        cdk.CfnOutput(
            stack, f"{name}Output", value=cdk.Token.as_string(raw["Value"]), export_name=export
        )


def by_settings() -> Iterator[tuple[RuleSettings, list[Case]]]:
    """Yield the cases in groups that one app can hold."""
    groups: dict[str, list[Case]] = {}
    for case in CASES:
        groups.setdefault(case.settings.model_dump_json(), []).append(case)
    for text, cases in groups.items():
        yield RuleSettings.model_validate_json(text), cases


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[set[Any], set[Any]]]:
    """Return what the pack and the scanner find in each case: rule and resource."""
    found: dict[str, tuple[set[Any], set[Any]]] = {str(case): (set(), set()) for case in CASES}
    for settings, cases in by_settings():
        folder = tmp_path_factory.mktemp("assembly")
        app = cdk.App(outdir=str(folder), builtin_cloud_formation_validation=False)
        for case in cases:
            env = cdk.Environment(region=case.region) if case.region else None
            build(cdk.Stack(app, str(case).replace("_", ""), env=env), case.body)
        cdk.Validations.of(app).add_plugins(SustainabilityChecks(app, settings=settings))
        _, violations = synthesize(app)
        names = {str(case).replace("_", ""): str(case) for case in cases}
        for rule, construct in rules_at(violations):
            stack, _, resource = construct.partition("/")
            found[names[stack]][0].add((rule, resource))
        for finding in judge(tuple(read_assembly(folder)), settings=settings).findings:
            case_name = names[finding.template.construct]
            found[case_name][1].add((finding.demand.name, finding.logical_id))
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pack_and_scanner_agree(
    case: Case, both_ways: dict[str, tuple[set[Any], set[Any]]]
) -> None:
    pack, scanner = both_ways[str(case)]
    assert pack == scanner
    if "Outputs" not in case.body:  # which refer to resources in another way when the CDK writes
        found = any(rule == case.rule.name for rule, _ in pack)
        assert found == (case.outcome == "non-compliant")


def test_it_is_a_pack_of_cdk_nag(app: cdk.App) -> None:
    checks = SustainabilityChecks(app)
    assert isinstance(checks, NagPack)
    assert checks.read_pack_name == "Sustainability"
    with pytest.raises(NotImplementedError, match="add_plugins"):
        checks._check_resource(cdk.CfnResource(cdk.Stack(app, "S"), "R", type="A::B::C"))


def test_an_error_stops_the_synth_and_says_what_to_do(app: cdk.App) -> None:
    function(cdk.Stack(app, "S"), "F")
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, (violation,) = synthesize(app)
    assert not passed
    assert violation["ruleName"] == ARM64
    assert violation["description"].endswith("Architectures is absent; [arm64] would pass")
    assert "aarch64" in violation["suggestedFix"]
    assert rules_at([violation]) == {("LambdaArm64", "S/F/Resource")}


def test_a_warning_does_not_stop_the_synth(app: cdk.App) -> None:
    s3.Bucket(cdk.Stack(app, "S"), "B")
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, violations = synthesize(app)
    assert passed
    assert rules_at(violations) == {("BucketLifecycle", "S/B/Resource")}


def test_strict_tells_what_was_not_judged(app: cdk.App) -> None:
    stack = cdk.Stack(app, "S")
    cdk.CfnParameter(stack, "A")
    body = {"Type": "AWS::Lambda::Function", "Properties": {"Architectures": [{"Ref": "A"}]}}
    build(stack, {"Resources": {"F": body}})
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app, strict=True))
    passed, violations = synthesize(app)
    assert passed
    assert ("LambdaArm64", "S/F") in rules_at(violations)


@pytest.mark.parametrize("identifier", [ARM64, f"Sustainability::{ARM64}"])
def test_an_acknowledgement_lets_the_synth_pass_and_stays_in_the_template(
    app: cdk.App, identifier: str
) -> None:
    handler = function(cdk.Stack(app, "S"), "F")
    reason = "its library exists for x86 alone"
    cdk.Validations.of(handler).acknowledge(cdk.Acknowledgment(id=identifier, reason=reason))
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    assert synthesize(app) == (True, [])
    template = json.loads((Path(app.outdir) / "S.template.json").read_text())
    (made,) = [r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function"]
    assert {"id": identifier, "reason": reason} in made["Metadata"]["cdk_nag"]["rules_to_suppress"]
    (judged,) = judge(tuple(read_assembly(Path(app.outdir))), settings=RuleSettings()).findings
    assert judged.acknowledged == reason


def test_a_stale_acknowledgement_is_reported(app: cdk.App) -> None:
    handler = function(cdk.Stack(app, "S"), "F", architecture=lambda_.Architecture.ARM_64)
    for identifier in (ARM64, "Sustainability-NoSuchRule", "AwsSolutions-L1"):
        cdk.Validations.of(handler).acknowledge(
            cdk.Acknowledgment(id=identifier, reason="it was needed once")
        )
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, violations = synthesize(app)
    assert passed
    assert [v["ruleName"] for v in violations] == ["Sustainability-AcknowledgementCurrent"] * 2
    assert rules_at(violations) == {("AcknowledgementCurrent", "S/F")}


def test_an_acknowledgement_of_a_rule_that_another_profile_judges_is_not_stale(
    app: cdk.App,
) -> None:
    bucket = s3.Bucket(cdk.Stack(app, "S"), "B")
    for rule in ("NatGatewaySingle", "BucketLifecycle"):
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(id=f"Sustainability-{rule}", reason="said in the other profile")
        )
    checks = SustainabilityChecks(app, settings=RuleSettings(profile=Profile.PRODUCTION))
    cdk.Validations.of(app).add_plugins(checks)
    assert synthesize(app) == (True, [])


def stack_of(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(cdk.Stage(app, "Stage"), "S")


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (lambda stack: stack, "Stage/S"),
        (lambda stack: stack.node.scope, "Stage"),
        (lambda stack: stack.node.root, ""),
    ],
)
def test_an_acknowledgement_on_a_stack_or_above_stops_the_synth(
    app: cdk.App, scope: Callable[[cdk.Stack], Any], path: str
) -> None:
    stack = stack_of(app)
    function(stack, "F")
    cdk.Validations.of(scope(stack)).acknowledge(
        cdk.Acknowledgment(id=ARM64, reason="all of it runs on x86")
    )
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, violations = synthesize(app)
    assert not passed
    assert rules_at(violations) == {("AcknowledgementNarrow", path)}


def test_an_acknowledgement_without_reason_stops_the_synth(app: cdk.App) -> None:
    handler = function(cdk.Stack(app, "S"), "F")
    cdk.Validations.of(handler).acknowledge(cdk.Acknowledgment(id=ARM64, reason=" "))
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, violations = synthesize(app)
    assert not passed
    assert ("AcknowledgementReasoned", "S/F") in rules_at(violations)


def test_nested_stacks_are_judged_and_acknowledged_where_they_stand(app: cdk.App) -> None:
    nested = cdk.NestedStack(cdk.Stack(app, "S"), "N")
    function(nested, "F")
    acknowledged = function(nested, "G")
    cdk.Validations.of(acknowledged).acknowledge(
        cdk.Acknowledgment(id=ARM64, reason="its library exists for x86 alone")
    )
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    _, violations = synthesize(app)
    assert rules_at(violations) == {("LambdaArm64", "S/N/F/Resource")}


def test_resources_of_the_cdk_are_judged_by_what_their_author_can_change(app: cdk.App) -> None:
    stack = cdk.Stack(app, "S")
    handler = function(stack, "F", architecture=lambda_.Architecture.ARM_64)
    logs.LogRetention(
        stack, "Retention", log_group_name="/a/b", retention=logs.RetentionDays.ONE_WEEK
    )
    bucket = s3.Bucket(
        stack,
        "B",
        auto_delete_objects=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=cdk.Duration.days(1),
                abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
            )
        ],
    )
    bucket.add_event_notification(
        s3.EventType.OBJECT_CREATED, s3_notifications.LambdaDestination(handler)
    )
    group = logs.LogGroup(stack, "Group", retention=logs.RetentionDays.ONE_WEEK)
    s3_deployment.BucketDeployment(
        stack,
        "Deployment",
        destination_bucket=bucket,
        log_group=group,
        sources=[s3_deployment.Source.data("a", "b")],
    )
    custom_resources.AwsCustomResource(
        stack,
        "Call",
        log_group=group,
        on_update=custom_resources.AwsSdkCall(
            service="S3",
            action="listBuckets",
            physical_resource_id=custom_resources.PhysicalResourceId.of("a"),
        ),
        policy=custom_resources.AwsCustomResourcePolicy.from_sdk_calls(resources=["*"]),
    )
    custom_resources.Provider(
        stack, "Provider", on_event_handler=handler, is_complete_handler=handler, log_group=group
    )
    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
    passed, violations = synthesize(app)
    assert passed
    # The provider's own state machine logs to a group without retention, which its author can set.
    assert {path for _, path in rules_at(violations)} <= {
        "S/Provider/waiter-state-machine/LogGroup/Resource"
    }
