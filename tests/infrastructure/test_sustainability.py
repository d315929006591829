"""Our own templates hold the sustainability rules, and break them when a setting is undone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cfn_sustainability.engine import judge
from cfn_sustainability.program import link
from cfn_sustainability.template import Template
from sustainability.deployment.schema import Deployment
from tests.infrastructure.reading import Templates

ABSENT = "(absent)"
SETTINGS: list[tuple[str, str, object, str]] = [
    ("AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", ABSENT, "ApiThrottles"),
    ("AWS::DynamoDB::Table", "BillingMode", "PROVISIONED", "TableScales"),
    ("AWS::Lambda::Function", "Architectures", ["x86_64"], "LambdaArm64"),
    ("AWS::Lambda::Function", "Architectures", ABSENT, "LambdaArm64"),
    ("AWS::Lambda::Function", "LoggingConfig", ABSENT, "LambdaLogGroupDeclared"),
    ("AWS::Logs::LogGroup", "RetentionInDays", ABSENT, "LogGroupExpires"),
    ("AWS::Logs::LogGroup", "RetentionInDays", 3653, "LogRetentionWithinLimit"),
    (
        "AWS::OpenSearchServerless::Collection",
        "CollectionGroupName",
        ABSENT,
        "OpenSearchServerlessSleeps",
    ),
    (
        "AWS::OpenSearchServerless::CollectionGroup",
        "Generation",
        "CLASSIC",
        "OpenSearchServerlessSleeps",
    ),
    (
        "AWS::OpenSearchService::Domain",
        "ClusterConfig.InstanceType",
        "r5.large.search",
        "OpenSearchGraviton",
    ),
    ("AWS::OpenSearchService::Domain", "EBSOptions.VolumeType", "gp2", "EbsGp3"),
    ("AWS::S3::Bucket", "LifecycleConfiguration", ABSENT, "BucketLifecycle"),
    ("AWS::SQS::Queue", "RedrivePolicy", ABSENT, "QueueGivesUp"),
]


def findings(templates: Templates, deployment_name: str) -> set[tuple[str, str, str]]:
    """Return stack, resource and rule of what nobody acknowledged."""
    program = [Template(body, construct=stack, complete=True) for stack, body in templates.items()]
    link(program)
    settings = Deployment.load(f"deployments/{deployment_name}.yaml").rule_settings
    return {
        (finding.template.construct, finding.logical_id, finding.demand.name)
        for finding in judge(program, settings=settings).open
        if finding.demand.name != "RegionAllowed"  # the stack's environment is in no template
    }


def holder(resource: dict[str, Any], path: str) -> dict[str, Any] | None:
    """Return the mapping in which a property of our own resources stands, if it is set."""
    node: Any = resource.get("Properties")
    *parents, last = path.split(".")
    for part in parents:
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) and last in node else None


def test_nothing_is_found(templates: Templates, deployment_name: str) -> None:
    assert findings(templates, deployment_name) == set()


@pytest.mark.parametrize(("kind", "path", "wasteful", "rule"), SETTINGS, ids=lambda part: str(part))
def test_undoing_a_setting_is_found(
    templates: Templates, deployment_name: str, kind: str, path: str, wasteful: object, rule: str
) -> None:
    for stack, body in templates.items():
        for logical_id, resource in body["Resources"].items():
            if resource["Type"] == kind and holder(resource, path) is not None:
                mutated = copy.deepcopy(templates)
                settings = holder(mutated[stack]["Resources"][logical_id], path)
                assert settings is not None
                last = path.rpartition(".")[2]
                if wasteful == ABSENT:
                    del settings[last]
                else:
                    settings[last] = wasteful
                assert (stack, logical_id, rule) in findings(mutated, deployment_name)


def test_every_setting_is_undone_somewhere(templates_of: Callable[[str], Templates]) -> None:
    deployed = [
        resource
        for file in Path("deployments").rglob("*.yaml")
        for body in templates_of(str(file.relative_to("deployments").with_suffix(""))).values()
        for resource in body["Resources"].values()
    ]
    for kind, path, _, _ in SETTINGS:
        assert any(r["Type"] == kind and holder(r, path) is not None for r in deployed), path
