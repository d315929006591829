"""What a company's accounts ask for, all in one deployment: each setting is used, not only there.

The permissions boundary is the one that `deploy-policy` makes, so what it forgets is refused here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
import urllib3
import yaml
from botocore.exceptions import ClientError

from local.embedded import EmbeddedAws
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import TOKEN, Account
from sustainability.operate.checks import Row, Verdict
from sustainability.operate.verification import verify
from tests.e2e.conftest import ROOT, Models, left_of, quiet
from tests.identity_provider import AUDIENCE, SCOPE, Provider

FOLDER = ROOT / "deployments" / ".company"
FILE = FOLDER / "acme.yaml"
QUESTION = {"question": "How deep is the harbour of Ravel?"}
KEPT_OUT: dict[str, tuple[dict[str, Any], int]] = {
    "signed by somebody else": ({"forged": True}, 401),
    "for another API": ({"aud": "another"}, 401),
    "of another provider": ({"iss": "https://login.example.com"}, 401),
    "expired": ({"exp": 1_700_000_000}, 401),
    "not valid yet": ({"nbf": 4_000_000_000}, 401),
    "without the scope": ({"scope": "read"}, 403),
}


def _role(client: Callable[[str], Any], name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["Arn"])


def _as(arn: str, client: Callable[[str], Any]) -> Any:
    keys = client("sts").assume_role(RoleArn=arn, RoleSessionName="e2e")["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@pytest.fixture(scope="module")
def settings(client: Callable[[str], Any], provider: Provider) -> dict[str, Any]:
    """What the company has before: a VPC, a key, roles, an identity provider."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24")["Subnet"]["SubnetId"]
        for number in (1, 2)
    ]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {
        "qualifier": "acme",
        "permissions_boundary": "acme-boundary",
        "key": client("kms").create_key()["KeyMetadata"]["Arn"],
        "network": {"vpc": vpc, "subnets": subnets, "route_tables": [table]},
        "sign_in": {"issuer": provider.issuer, "audience": [AUDIENCE], "scopes": [SCOPE]},
        "contributors": {"harbours/": [_role(client, "editors")]},
        "replicators": [_role(client, "replication")],
    }


@pytest.fixture(scope="module")
def account(
    embedded: EmbeddedAws, client: Callable[[str], Any], settings: dict[str, Any]
) -> Iterator[Account]:
    data = yaml.safe_load((ROOT / "deployments" / "examples" / "vectors.yaml").read_text())
    FOLDER.mkdir(exist_ok=True)
    FILE.write_text(yaml.safe_dump(data | {"name": "acme", "company": settings}))
    try:
        command = ["deploy-policy", str(FILE), "--repository", "octo/answers"]
        access = subprocess.run(
            [sys.executable, "-m", "sustainability", *command],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        cloudformation = client("cloudformation")
        cloudformation.create_stack(
            StackName="acme-access", TemplateBody=access, Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName="acme-access")
        embedded.deploy(FILE, quiet)
        yield Account(Deployment.load(FILE))
    finally:
        shutil.rmtree(FOLDER)


def test_a_document_of_a_contributor_is_answered_to_who_has_a_token(
    account: Account,
    client: Callable[[str], Any],
    settings: dict[str, Any],
    models: Models,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models.answer("It is nine metres deep. [1]")
    bucket, text = account.outputs["BucketName"], b"# Ravel\n\nThe harbour is nine metres deep.\n"
    editors = _as(settings["contributors"]["harbours/"][0], client)
    with pytest.raises(ClientError, match="AccessDenied"):
        editors.put_object(Bucket=bucket, Key="ships/ravel.md", Body=text)
    etag = editors.put_object(Bucket=bucket, Key="harbours/ravel.md", Body=text)["ETag"]
    settled = {"harbours/ravel.md": etag.strip('"')}
    account.wait_until_settled(settled, seconds=600, progress=quiet)

    monkeypatch.setenv(TOKEN, provider.token())
    answer = account.ask(QUESTION["question"], patience_s=600, progress=quiet)
    assert answer["citations"][0]["document"] == "harbours/ravel.md"


@pytest.mark.parametrize(("claims", "status"), KEPT_OUT.values(), ids=KEPT_OUT)
def test_a_token_that_is_wrong_is_refused(
    account: Account,
    provider: Provider,
    monkeypatch: pytest.MonkeyPatch,
    claims: dict[str, Any],
    status: int,
) -> None:
    monkeypatch.setenv(TOKEN, provider.token(**claims))
    assert account.call("POST", "/answers", QUESTION)[0] == status


def test_nobody_asks_without_a_token(account: Account, embedded: EmbeddedAws) -> None:
    assert account.call("POST", "/answers", QUESTION, signed=False)[0] == 401


def test_the_deployment_verifies_itself(
    account: Account, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, provider.token())
    checks = verify(Deployment.load(FILE), quiet)
    told = {check.name: check.evidence for check in checks}
    assert not [check.name for check in checks if check.verdict is Verdict.FAILED], told
    assert Row.SIGNED in {check.name for check in checks if check.verdict is Verdict.PASSED}


def test_each_setting_is_there_and_the_boundary_refused_nothing(
    account: Account,
    embedded: EmbeddedAws,
    client: Callable[[str], Any],
    settings: dict[str, Any],
) -> None:
    stacks = {each["StackName"] for each in client("cloudformation").describe_stacks()["Stacks"]}
    assert "CDKToolkit-acme" in stacks
    stored = client("s3").head_object(Bucket=account.outputs["BucketName"], Key="harbours/ravel.md")
    assert stored["SSEKMSKeyId"] == settings["key"]
    functions = [
        client("lambda").get_function_configuration(FunctionName=name)
        for name in account.functions()
        if name.startswith("acme-rag-")
    ]
    held = [each["VpcConfig"] for each in functions if each["Handler"].startswith("rag.")]
    assert len(held) == 2
    for each in held:
        assert each["VpcId"] == settings["network"]["vpc"]
        assert each["SubnetIds"] == settings["network"]["subnets"]
    url = f"{embedded.running()['emulator'].url}/_local/grants"
    roles = [
        each for each in urllib3.request("GET", url).json() if each["role"].startswith("acme-")
    ]
    assert len(roles) > 1
    for each in roles:
        role = client("iam").get_role(RoleName=each["role"])["Role"]
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(
            ":policy/acme-boundary"
        )
        assert each["refused"] == [], each["role"]


def test_a_replicator_may_put_a_copy_and_everything_goes_again(
    account: Account, embedded: EmbeddedAws, client: Callable[[str], Any], settings: dict[str, Any]
) -> None:
    policy = client("s3").get_bucket_policy(Bucket=account.outputs["BucketName"])["Policy"]
    allowed = [
        each["Action"]
        for each in json.loads(policy)["Statement"]
        if settings["replicators"][0] in json.dumps(each["Principal"])
    ]
    assert "s3:ReplicateObject" in json.dumps(allowed)
    embedded.destroy(FILE, quiet)
    assert left_of(embedded, "acme-rag") <= {"AWS::S3::Bucket"}
