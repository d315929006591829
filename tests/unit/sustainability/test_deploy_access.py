"""The roles that deploy: no more than the templates need, and no less."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.config import ConfigMixIn
from cfnlint.decode.decode import decode_str
from cfnlint.runner import Runner
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.operate import deploy_access
from sustainability.operate.deploy_access import Repository, access_template, execution_actions

ROOT = Path(__file__).resolve().parents[3]
RECORDED = sorted((ROOT / "tests/infrastructure/__snapshots__/test_stacks").rglob("*.json"))
REPOSITORY = Repository("octo/answers")
DEV = Deployment.load("deployments/dev.yaml")


def recorded(name: str) -> dict[str, Any]:
    """Return recorded templates whose file names begin so."""
    found = {
        file.stem.partition("[")[2].rstrip("]"): json.loads(file.read_text())
        for file in RECORDED
        if name in file.stem
    }
    assert found
    return found


def statements(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        statement
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind and name != "Boundary"
        for document in (
            [resource["Properties"]["PolicyDocument"]]
            if kind == "AWS::IAM::ManagedPolicy"
            else [policy["PolicyDocument"] for policy in resource["Properties"]["Policies"]]
        )
        for statement in document["Statement"]
    ]


@pytest.mark.parametrize("name", ["dev", "prod", "realtime", "batch", "async"])
def test_cfn_lint_accepts_the_template_and_knows_each_action(name: str) -> None:
    template = access_template(DEV, recorded(name), REPOSITORY)
    decoded, errors = decode_str(json.dumps(template))
    runner = Runner(ConfigMixIn(regions=["eu-north-1"], ignore_checks=[]))

    assert errors == []
    assert list(runner.validate_template(decoded)) == []
    for resource in template["Resources"].values():
        document = json.dumps(resource["Properties"].get("PolicyDocument"), separators=(",", ":"))
        assert len(document) < 6144


def test_each_resource_of_each_template_can_be_made_updated_and_deleted() -> None:
    templates = [json.loads(file.read_text()) for file in RECORDED]
    allowed = {action.lower() for action in execution_actions(templates)}
    kinds = {each["Type"] for template in templates for each in template["Resources"].values()}
    for kind in kinds - deploy_access._WITHOUT_HANDLERS.keys():
        if not kind.startswith("Custom::"):
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
            for event in ("create", "delete"):
                needed = {each.lower() for each in schema["handlers"][event]["permissions"]}
                assert needed & allowed, f"{event} of {kind}"


def test_rights_follow_from_the_resources_and_name_them() -> None:
    actions = execution_actions(recorded("dev").values())
    assert not [each for each in actions if each.startswith(("sagemaker:", "codebuild:", "es:"))]
    assert "es:CreateDomain" in execution_actions(recorded("prod").values())

    template = access_template(DEV, recorded("dev"), REPOSITORY)
    for statement in statements(template, "AWS::IAM::ManagedPolicy"):
        assert not [action for action in statement["Action"] if "*" in action]
        if {"iam:CreateRole", "iam:PassRole", "s3:DeleteBucket"} & set(statement["Action"]):
            (place,) = statement["Resource"]
            assert place["Fn::Sub"].endswith(("role/dev-*", ":::dev-*"))


def test_what_an_earlier_version_held_can_be_deleted() -> None:
    """Also an endpoint, a domain, a pipeline or a VPC's endpoints, which dev does not have now."""
    every = [json.loads(file.read_text()) for file in RECORDED if "budget" not in file.stem]
    kinds = {each["Type"] for template in every for each in template["Resources"].values()}
    kinds |= {"AWS::ApiGatewayV2::Authorizer", "AWS::EC2::VPCEndpoint", "AWS::EC2::SecurityGroup"}
    template = access_template(DEV, recorded("dev"), REPOSITORY)
    rights = list(statements(template, "AWS::IAM::ManagedPolicy"))
    places = {action: each["Resource"] for each in rights for action in each["Action"]}
    allowed = {action.lower() for action in places}
    for kind in sorted(each for each in kinds if not each.startswith("Custom::")):
        needed = deploy_access._known(deploy_access._actions_of(kind, ("read", "delete")))
        assert {each.lower() for each in needed} <= allowed, kind
    assert places["sagemaker:DeleteEndpoint"][0]["Fn::Sub"].endswith(":endpoint/dev-*")
    assert not [each for each in allowed if re.match("(sagemaker|es|aoss):(create|update)", each)]


def test_a_place_that_is_named_is_one_that_iam_knows_for_the_action() -> None:
    for action, place in deploy_access._NAMED_WHERE_DELETED.items():
        service, _, name = action.partition(":")
        known = deploy_access._iam()[service]
        kinds = known["Actions"][name.lower()]["Resources"]
        resource = place.split(":")[-1].partition("/")[0]
        assert any(f":{resource}/" in str(known["Resources"][kind]) for kind in kinds), action


def test_a_role_trusts_one_environment_of_one_repository_and_assumes_only_the_cdks_roles() -> None:
    template = access_template(DEV, recorded("dev"), REPOSITORY)
    for name, environment in (("Deploys", "dev"), ("Reads", "dev-read")):
        role = template["Resources"][name]["Properties"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"]["StringEquals"] == {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:octo/answers:environment:"
            + environment,
        }
        (assume, *_) = role["Policies"][0]["PolicyDocument"]["Statement"]
        assert [each["Fn::Sub"].split("-")[2] for each in assume["Resource"]] == (
            ["deploy", "file", "image", "lookup"] if name == "Deploys" else ["lookup"]
        )
    with pytest.raises(UserError, match="write OWNER/NAME"):
        Repository("octo/*")


def test_a_boundary_holds_for_each_role_that_cloudformation_makes() -> None:
    bounded = DEV.model_copy(
        update={
            "company": DEV.company.model_copy(
                update={"permissions_boundary": "workload", "qualifier": "acme"}
            )
        }
    )
    template = access_template(bounded, recorded("dev"), REPOSITORY)
    for statement in statements(template, "AWS::IAM::ManagedPolicy"):
        if "iam:CreateRole" in statement["Action"]:
            boundary = statement["Condition"]["ArnLike"]["iam:PermissionsBoundary"]["Fn::Sub"]
            assert boundary.endswith(":policy/workload")
    assert "role/cdk-acme-deploy-role-" in json.dumps(template)


@pytest.mark.parametrize("name", ["dev", "prod", "realtime", "batch", "async", "bridged"])
def test_the_boundary_allows_each_action_of_each_role_and_no_others(name: str) -> None:
    templates = recorded(name)
    (statement,) = access_template(DEV, templates, REPOSITORY)["Resources"]["Boundary"][
        "Properties"
    ]["PolicyDocument"]["Statement"]
    text = json.dumps(templates)
    if name in ("dev", "prod"):
        assert "bedrock:InvokeModel" in statement["Action"]
        assert ("s3:DeleteObject*" in statement["Action"]) == ("s3:DeleteObject*" in text)
    assert not {"*", "lambda:*", "s3:*"} & set(statement["Action"])
    for action in statement["Action"]:
        assert action in text or action.startswith("logs:")


def test_a_stack_without_the_bootstrap_is_made_by_the_role_itself() -> None:
    """The budget's: it is in another Region, which nobody should have to bootstrap."""
    template = access_template(DEV, recorded("dev"), REPOSITORY)
    actions = {each for one in statements(template, "AWS::IAM::Role") for each in one["Action"]}
    assert {"budgets:ModifyBudget", "cloudformation:ExecuteChangeSet"} <= actions
    for statement in statements(template, "AWS::IAM::ManagedPolicy"):
        assert "budgets:ModifyBudget" not in statement["Action"]


def test_only_a_deployment_with_a_model_of_its_own_may_start_the_job_that_compiles_it() -> None:
    dev = access_template(DEV, recorded("dev"), REPOSITORY)
    assert "sagemaker:CreateTrainingJob" not in json.dumps(dev)
    own = DEV.model_copy(update={"name": "bridged"})
    template = access_template(own, recorded("bridged"), REPOSITORY)
    roles = list(statements(template, "AWS::IAM::Role"))
    (starts,) = (each for each in roles if "sagemaker:CreateTrainingJob" in each["Action"])
    assert starts["Resource"][0]["Fn::Sub"].endswith(":training-job/bridged-*")
    (passes,) = (each for each in roles if "iam:PassRole" in each["Action"])
    assert passes["Condition"] == {
        "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
    }


def test_what_deploy_itself_asks_of_aws_is_allowed() -> None:
    """Read the calls from the code; botocore says which operations they are."""
    allowed = {
        each.lower()
        for each in (
            *deploy_access._READS,
            *deploy_access._READS_OF_DEPLOYMENT,
            *deploy_access._COMPILES,
            *deploy_access._FINDS_JOBS,
        )
    }
    prefix = {"service-quotas": "servicequotas"}
    # S3 names this permission otherwise than its operation; every caller may ask who it is.
    other = {"s3:listobjectsv2": "s3:listbucket", "sts:getcalleridentity": None}
    asked: set[str] = set()
    for name in ("cdk", "compiling", "preflight", "filling"):
        tree = ast.parse((ROOT / "sustainability" / "operate" / f"{name}.py").read_text())
        for function in (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)):
            if function.name != "begin":  # of `reindex`, not of `deploy`
                asked |= set(_operations(function))

    assert len(asked) > 10
    assert {other.get(f"{prefix.get(s, s)}:{o}", f"{prefix.get(s, s)}:{o}") for s, o in asked} - {
        None
    } <= allowed


def _operations(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """Yield service and operation of each call to AWS, by the client that the function makes."""
    nodes = list(ast.walk(function))
    calls = [
        each
        for each in nodes
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute)
    ]
    named = {call.func.attr for call in calls} | {  # type: ignore[attr-defined]
        each.value for each in nodes if isinstance(each, ast.Constant)
    }
    for call in calls:
        if call.func.attr == "client":  # type: ignore[attr-defined]
            (service,) = (each.value for each in call.args if isinstance(each, ast.Constant))
            client = boto3.client(service, region_name="eu-north-1")
            for method, operation in client.meta.method_to_api_mapping.items():
                if method in named:
                    yield str(service), operation.lower()
