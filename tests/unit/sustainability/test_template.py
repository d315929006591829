from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sustainability.errors import UserError
from sustainability.footprint.footprint import footprint
from sustainability.footprint.idle_floor import Floor, idle_floor
from tests.unit.sustainability.deployments import a_deployment, a_plan

Build = Callable[..., Floor]


@pytest.fixture
def floor(tmp_path: Path) -> Build:
    def build(resources: dict[str, Any], **more: Any) -> Floor:
        file = tmp_path / "a.template.json"
        file.write_text(json.dumps({"Resources": resources, **more}), encoding="utf-8")
        return idle_floor([file], "us-east-1")

    return build


def one(kind: str, **properties: Any) -> dict[str, Any]:
    return {"It": {"Type": kind, "Properties": properties}}


def variant(**properties: Any) -> dict[str, Any]:
    return {"InstanceType": "ml.inf2.xlarge", "InitialInstanceCount": 2, **properties}


def test_a_nat_gateway_costs_its_hours_by_hand(floor: Build) -> None:
    assert floor(one("AWS::EC2::NatGateway")).total.usd.mid == pytest.approx(730 * 0.045)


def test_two_nodes_and_an_endpoint_by_hand(floor: Build) -> None:
    found = floor(
        {
            "Domain": {
                "Type": "AWS::OpenSearchService::Domain",
                "Properties": {
                    "ClusterConfig": {"InstanceType": "m7g.medium.search", "InstanceCount": 2}
                },
            },
            "Endpoint": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {"ProductionVariants": [variant()]},
            },
        }
    )

    assert found.total.usd.mid == pytest.approx(730 * 2 * (0.068 + 0.99))
    assert found.total.kwh.mid == pytest.approx(0.73 * 2 * (1.08 + 4 * 0.392 + 12 + 20) * 1.15)


def test_a_templates_domain_takes_what_the_footprint_says_of_it(floor: Build) -> None:
    kind = {"instance_type": "m7g.large.search", "volume_gb": 20}
    deployment = a_deployment(
        region="us-east-1",
        knowledge={"store": "domain", "domain": kind},
        service_level={"latency_p95": "12s", "availability": "high"},
    )
    store, *_ = footprint(deployment, a_plan()).components
    found = floor(
        one(
            "AWS::OpenSearchService::Domain",
            ClusterConfig={"InstanceType": "m7g.large.search", "InstanceCount": 3},
            EBSOptions={"EBSEnabled": True, "VolumeSize": 20},
        )
    ).total

    assert found.kwh.mid == pytest.approx(store.idle.kwh.mid)
    assert found.carbon_g.high == pytest.approx(store.idle.carbon_g.high)
    assert found.usd.mid == pytest.approx(store.idle.usd.mid)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::SQS::Queue", {}),
        ("AWS::Lambda::Function", {"MemorySize": 512}),
        ("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"}),
        (
            "AWS::OpenSearchServerless::CollectionGroup",
            {
                "Generation": "NEXTGEN",
                "CapacityLimits": {"MinIndexingCapacityInOcu": 0, "MinSearchCapacityInOcu": 0},
            },
        ),
        (
            "AWS::SageMaker::EndpointConfig",
            {"ProductionVariants": [variant(ManagedInstanceScaling={"MinInstanceCount": 0})]},
        ),
        ("AWS::AutoScaling::AutoScalingGroup", {"MinSize": "0", "MaxSize": "9"}),
        ("AWS::ECS::Service", {"DesiredCount": 0}),
    ],
)
def test_what_sleeps_takes_nothing(floor: Build, kind: str, properties: dict[str, Any]) -> None:
    found = floor(one(kind, **properties))

    assert (found.asleep, found.components, found.not_known) == (1, (), ())


def test_classic_collections_share_their_capacity(floor: Build) -> None:
    collection = {"Type": "AWS::OpenSearchServerless::Collection", "Properties": {"Name": "x"}}
    found = floor({"A": collection, "B": collection})

    assert found.total.usd.mid == pytest.approx(2 * 730 * 0.24)


def test_references_to_parameters_and_neighbours_are_followed(floor: Build) -> None:
    found = floor(
        {
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {"Cpu": "512", "Memory": "1024"},
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {"DesiredCount": {"Ref": "Count"}, "TaskDefinition": {"Ref": "Task"}},
            },
        },
        Parameters={"Count": {"Type": "Number", "Default": 3}},
    )

    assert found.components[0].basis == "3 x 0.5 vCPU, 1 GiB"
    assert found.unpriced == ("Service (AWS::ECS::Service)",)


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("AWS::Acme::Thing", {}, "unknown resource type"),
        ("AWS::EKS::Cluster", {}, "AWS publishes no energy value"),
        (
            "AWS::EC2::Instance",
            {"InstanceType": {"Fn::ImportValue": "x"}},
            "known only at deployment",
        ),
        ("AWS::EC2::Instance", {"InstanceType": "quantum.large"}, "not an instance type"),
        ("AWS::DynamoDB::Table", {"BillingMode": "PROVISIONED"}, "provisioned throughput"),
        ("AWS::AutoScaling::AutoScalingGroup", {"MinSize": "2"}, "outside the template"),
    ],
)
def test_what_is_not_known_is_listed_with_its_reason(
    floor: Build, kind: str, properties: dict[str, Any], reason: str
) -> None:
    found = floor(one(kind, **properties))

    assert found.components == ()
    assert reason in found.not_known[0]


def test_yaml_with_short_functions_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "Parameters: {Kind: {Type: String, Default: t4g.medium}}\n"
        "Resources:\n"
        "  Web: {Type: AWS::EC2::Instance, Properties: {InstanceType: !Ref Kind}}\n"
        "  Role: {Type: AWS::IAM::Role, Properties: {Path: !Sub '/${Kind}/', X: !GetAtt Web.A}}\n",
        encoding="utf-8",
    )
    found = idle_floor([file], "eu-north-1")

    assert [component.basis for component in found.components] == ["1 x t4g.medium"]
    assert found.asleep == 1


def test_a_group_of_collections_takes_its_minimum(floor: Build) -> None:
    limits = {"MinIndexingCapacityInOcu": 1, "MinSearchCapacityInOcu": 2}
    group = {"Generation": "NEXTGEN", "CapacityLimits": limits}
    found = floor(one("AWS::OpenSearchServerless::CollectionGroup", **group))

    assert found.total.usd.mid == pytest.approx(3 * 730 * 0.24)


def test_a_deployment_that_chooses_nothing_is_counted(floor: Build) -> None:
    """Conditions, allowed values and loops are what CloudFormation makes of them."""
    machine = {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": {"Ref": "Kind"}}}
    found = floor(
        {
            "Fn::ForEach::Web": ["Zone", ["A", "B"], {"Web${Zone}": machine}],
            "Spare": {**machine, "Condition": "IsLive"},
            "Unknown": {"Properties": {}},
        },
        Transform="AWS::LanguageExtensions",
        Parameters={
            "Kind": {
                "Type": "String",
                "Default": "t4g.medium",
                "AllowedValues": ["t4g.medium", "t4g.large"],
            },
            "Stage": {"Type": "String", "Default": "dev"},
        },
        Conditions={"IsLive": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}},
    )

    assert [c.name.partition(" ")[0] for c in found.components] == ["WebA", "WebB"]
    assert found.asleep == 1
    assert found.not_known[0].endswith("Unknown has no Type")


@pytest.mark.parametrize("text", ["", "{", "[1]", "name: dev"])
def test_what_is_no_template_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=r"broken\.json"):
        idle_floor([file], "us-east-1")


def test_the_region_must_be_known(floor: Build, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="moon-1 is not a known Region"):
        idle_floor([tmp_path / "any"], "moon-1")
