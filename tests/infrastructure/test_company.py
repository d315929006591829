"""What the section `company` changes in the templates, and that nothing changes without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.rules import Match
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from sustainability.deployment.company import Company
from sustainability.deployment.schema import Deployment, Store
from tests.infrastructure.reading import Templates, resources

KEY = "arn:aws:kms:eu-north-1:111122223333:key/11111111-2222-3333-4444-555555555555"
COMPANY = Company.model_validate(
    {
        "qualifier": "acme",
        "permissions_boundary": "workload",
        "key": KEY,
        "network": {
            "vpc": "vpc-0123456789abcdef0",
            "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
            "route_tables": ["rtb-0123456789abcdef0"],
        },
        "sign_in": {
            "issuer": "https://login.example.com/tenant/v2.0",
            "audience": ["api-answers"],
            "scopes": ["ask"],
        },
        "contributors": {"handbook/": ["arn:aws:iam::111122223333:role/editors"]},
        "replicators": ["arn:aws:iam::444455556666:role/replication"],
    }
)


@pytest.fixture(scope="module")
def company(synthesize: Callable[[Deployment], Templates]) -> Templates:
    """Return the templates of `dev` with everything that a company may ask for."""
    dev = Deployment.load("deployments/dev.yaml")
    knowledge = dev.knowledge.model_copy(update={"store": Store.VECTORS})
    return synthesize(dev.model_copy(update={"company": COMPANY, "knowledge": knowledge}))


def test_what_a_company_asks_for_is_as_recorded(
    company: Templates, snapshot: SnapshotAssertion
) -> None:
    shown = {
        name: resource["Properties"]
        for name, resource in company["dev-rag"]["Resources"].items()
        if resource["Type"].startswith("AWS::EC2::")
        or resource["Type"] in ("AWS::ApiGatewayV2::Authorizer", "AWS::S3::BucketPolicy")
    }
    assert shown == snapshot(extension_class=JSONSnapshotExtension)


def test_cfn_lint_finds_nothing(
    company: Templates, cfn_lint: Callable[[dict[str, Any], str], list[Match]]
) -> None:
    for stack in ("dev-rag", "dev-monitoring"):
        assert cfn_lint(company[stack], "eu-north-1") == []


def test_each_role_is_bounded_and_each_stack_uses_the_companys_bootstrap(
    company: Templates,
) -> None:
    for role in resources(company, "AWS::IAM::Role"):
        assert json.dumps(role["PermissionsBoundary"]).endswith(':policy/workload"]]}')
    for stack in ("dev-rag", "dev-monitoring"):  # the budget's has its own synthesizer
        parameters = company[stack]["Parameters"]
        assert parameters["BootstrapVersion"]["Default"] == "/cdk-bootstrap/acme/version"


def test_the_key_encrypts_whatever_holds_documents_questions_or_answers(
    company: Templates,
) -> None:
    rag = {"dev-rag": company["dev-rag"]}
    (bucket,) = resources(rag, "AWS::S3::Bucket")
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == KEY
    assert rule["BucketKeyEnabled"] is True
    tables = list(resources(rag, "AWS::DynamoDB::Table"))
    queues = resources(rag, "AWS::SQS::Queue")
    (vectors,) = resources(rag, "AWS::S3Vectors::Index")
    assert len(tables) == 2
    assert {table["SSESpecification"]["KMSMasterKeyId"] for table in tables} == {KEY}
    assert {queue["KmsMasterKeyId"] for queue in queues} == {KEY}
    assert vectors["EncryptionConfiguration"] == {"SseType": "aws:kms", "KmsKeyArn": KEY}
    for template in company.values():  # no stack makes a key, or changes its policy
        assert "AWS::KMS" not in json.dumps(template)


def test_functions_that_see_documents_run_in_the_subnets(company: Templates) -> None:
    functions = [
        function
        for function in resources(company, "AWS::Lambda::Function")
        if function["Handler"].startswith("rag.")
    ]
    assert len(functions) == 2
    for function in functions:
        assert function["VpcConfig"]["SubnetIds"] == list(COMPANY.network.subnets)  # type: ignore[union-attr]
    endpoints = resources(company, "AWS::EC2::VPCEndpoint")
    kinds = sorted(str(endpoint["VpcEndpointType"]) for endpoint in endpoints)
    assert kinds == ["Gateway"] * 2 + ["Interface"] * 3


def test_the_page_shows_a_file_that_is_valid() -> None:
    page = Path("docs/company.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert set(Company.model_validate(shown["company"]).model_dump()) == set(shown["company"])


def test_the_api_takes_tokens_alone(company: Templates) -> None:
    (authorizer,) = resources(company, "AWS::ApiGatewayV2::Authorizer")
    assert authorizer["JwtConfiguration"]["Issuer"] == "https://login.example.com/tenant/v2.0"
    for route in resources(company, "AWS::ApiGatewayV2::Route"):
        assert route["AuthorizationType"] == "JWT"
        assert route["AuthorizationScopes"] == ["ask"]
