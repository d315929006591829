"""``scan --stack``: templates as CloudFormation tells them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cfn_sustainability import account
from cfn_sustainability.__main__ import main

FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {"LoggingConfig": {"LogGroup": "a"}}}
PARENT = {
    "Parameters": {
        "Processor": {"Type": "String", "AllowedValues": ["arm64", "x86_64"], "Default": "arm64"},
        "Secret": {"Type": "String", "NoEcho": True},
    },
    "Resources": {
        "Own": {
            **FUNCTION,
            "Properties": {**FUNCTION["Properties"], "Architectures": [{"Ref": "Processor"}]},  # type: ignore[dict-item]
        },
        "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "x"}},
    },
}
CHILD = "Resources:\n  Deep: {Type: AWS::EC2::Volume, Properties: {VolumeType: gp2}}\n"
ARN = "arn:aws:cloudformation:eu-north-1:111111111111:stack/inner/1"


class CloudFormation:
    """What an account tells of a stack with a nested one."""

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        assert TemplateStage == "Processed"
        if StackName == "absent":
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": "Stack absent does not exist"}},
                "GetTemplate",
            )
        return {"TemplateBody": PARENT if StackName == "web" else CHILD}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        given = [
            {"ParameterKey": "Processor", "ParameterValue": "x86_64"},
            {"ParameterKey": "Secret", "ParameterValue": "****"},
        ]
        return {"Stacks": [{"Parameters": given if StackName == "web" else []}]}

    def can_paginate(self, operation: str) -> bool:
        return False

    def list_stack_resources(self, StackName: str) -> dict[str, Any]:
        inner = {
            "LogicalResourceId": "Inner",
            "PhysicalResourceId": ARN,
            "ResourceType": "AWS::CloudFormation::Stack",
        }
        return {"StackResourceSummaries": [inner] if StackName == "web" else []}


@pytest.fixture(autouse=True)
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account.Caller, "client", lambda self, service: CloudFormation())


def test_the_stack_is_judged_as_it_was_deployed_with_what_it_nests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["scan", "--json", "--stack", "web", "--region", "eu-north-1"]) == 1
    report = json.loads(capsys.readouterr().out)
    found = {(f["rule"], f["resource"], f["file"]): f["severity"] for f in report["findings"]}
    assert found["Sustainability-LambdaArm64", "Own", "stack web"] == "error"
    assert found["Sustainability-EbsGp3", "Deep", "stack web/Inner"] == "warning"


def test_what_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--stack", "absent", "--region", "eu-north-1"]) == 2
    assert "Stack absent does not exist" in capsys.readouterr().err
