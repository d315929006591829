"""New data starts a run, once; an approval deploys, and lets the right models expire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.models.aws import check_request
from operations import approval, new_data

PARAMETER, STACK = "/tuned/generator/artifacts", "tuned-inference"
FIRST = "s3://models/compiled/qwen3/"
CONTENTS = st.dictionaries(
    st.text("abc/", min_size=1, max_size=4).filter(lambda key: not key.endswith("/")),
    st.text("0123456789abcdef", min_size=32, max_size=32),
    min_size=1,
    max_size=4,
)


class Aws:
    """S3, SageMaker, Systems Manager and CloudFormation, as far as the two functions call them."""

    class exceptions:
        ClientError = ValueError

    def __init__(self) -> None:
        self.objects: dict[str, str] = {}
        self.tags: dict[str, list[Any]] = {}
        self.runs: list[dict[str, Any]] = []
        self.packages: dict[str, dict[str, Any]] = {}
        self.parameter = self.resolved = FIRST
        self.busy = False
        self.status = "UPDATE_COMPLETE"

    def get_paginator(self, operation: str) -> Any:
        pages = getattr(self, operation)

        class Paginator:
            def paginate(self, **request: Any) -> Iterator[Mapping[str, Any]]:
                yield from pages(**request)

        return Paginator()

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        found = [
            {"Key": key, "ETag": f'"{etag}"'}
            for key, etag in self.objects.items()
            if key.startswith(Prefix)
        ]
        if not found:
            yield {}
        for item in found:
            yield {"Contents": [item]}

    def put_object_tagging(self, *, Bucket: str, Key: str, Tagging: dict[str, Any]) -> None:
        self.tags[Key] = Tagging["TagSet"]

    def list_pipeline_executions(self, *, PipelineName: str) -> Iterator[dict[str, Any]]:
        for run in self.runs:
            yield {"PipelineExecutionSummaries": [run]}
        yield {"PipelineExecutionSummaries": []}

    def start_pipeline_execution(self, **request: Any) -> None:
        check_request("sagemaker", "StartPipelineExecution", request)
        self.runs.append(request)

    def list_model_packages(self, **request: Any) -> Any:
        check_request("sagemaker", "ListModelPackages", request)
        found = [
            {"ModelPackageArn": arn}
            for arn, package in self.packages.items()
            if package["ModelApprovalStatus"] == request["ModelApprovalStatus"]
        ]
        if "MaxResults" in request:
            return {"ModelPackageSummaryList": found[-1:]}
        return iter([{"ModelPackageSummaryList": found}])

    def describe_model_package(self, *, ModelPackageName: str) -> dict[str, Any]:
        return self.packages[ModelPackageName]

    def put_parameter(self, **request: Any) -> None:
        check_request("ssm", "PutParameter", request)
        self.parameter = request["Value"]

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:
        parameter = {"ParameterKey": "Served", "ParameterValue": PARAMETER}
        version = {"ParameterKey": "BootstrapVersion", "ParameterValue": "/cdk/version"}
        served = parameter | {"ResolvedValue": self.resolved}
        stack = {"StackName": StackName, "StackStatus": self.status}
        return {"Stacks": [stack | {"Parameters": [version, served]}]}

    def update_stack(self, **request: Any) -> None:
        check_request("cloudformation", "UpdateStack", request)
        assert {each["ParameterKey"] for each in request["Parameters"]} == {
            "Served",
            "BootstrapVersion",
        }
        if self.busy:
            raise ValueError("Stack is in UPDATE_IN_PROGRESS state and can not be updated.")
        if self.resolved == self.parameter:
            raise ValueError("No updates are to be performed.")
        self.resolved = self.parameter

    def registers(self, version: int, status: str) -> str:
        """Add a version with two files, and return its ARN."""
        arn = f"arn:aws:sagemaker:eu-north-1:1:model-package/tuned-customization/{version}"
        place = f"compile/{version}/output/model"
        self.objects |= {f"{place}/model.pt": "1", f"{place}/neuron_config.json": "2"}
        source = {"S3DataSource": {"S3Uri": f"s3://data/{place}"}}
        self.packages[arn] = {
            "ModelPackageGroupName": "tuned-customization",
            "ModelApprovalStatus": status,
            "InferenceSpecification": {"Containers": [{"ModelDataSource": source}]},
        }
        return arn

    def expiring(self) -> set[str]:
        """Return the versions whose files expire."""
        return {key.split("/")[1] for key, tags in self.tags.items() if tags}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws()
    for module in (new_data, approval):
        monkeypatch.setattr(module, "_client", lambda service: aws)
    for name, value in {
        "BUCKET": "data",
        "PREFIXES": "examples/ golden/ base/",
        "PIPELINE": "tuned-customization",
        "GROUP": "tuned-customization",
        "PARAMETER": PARAMETER,
        "STACK": STACK,
    }.items():
        monkeypatch.setenv(name, value)
    aws.objects = {"examples/a.jsonl": "1", "golden/g.jsonl": "2", "base/model.gguf": "3"}
    return aws


def changed(aws: Aws, arn: str, status: str | None = None) -> dict[str, Any]:
    if status:
        aws.packages[arn]["ModelApprovalStatus"] = status
    return approval.handler({"source": "aws.sagemaker", "detail": {"ModelPackageArn": arn}}, None)


def rolls_back(aws: Aws, served: str) -> dict[str, Any]:
    """Have an update fail, after which the endpoint serves what it served before."""
    aws.resolved, aws.status = served, "UPDATE_ROLLBACK_COMPLETE"
    return approval.handler({"source": "aws.cloudformation", "detail": {}}, None)


def test_unchanged_data_starts_nothing(aws: Aws) -> None:
    first = new_data.handler({}, None)
    aws.objects["examples/"] = "0"  # a folder that a console shows
    again = new_data.handler({}, None)
    assert (first["started"], again["started"]) == (True, False)
    assert again["data"] == first["data"]
    aws.objects["examples/b.jsonl"] = "4"
    assert new_data.handler({}, None)["started"]
    aws.objects["examples/b.jsonl"] = "5"
    assert new_data.handler({}, None)["started"]
    del aws.objects["examples/b.jsonl"]
    assert not new_data.handler({}, None)["started"]
    assert len({run["ClientRequestToken"] for run in aws.runs}) == len(aws.runs) == 3


def test_a_run_knows_the_model_that_it_follows(aws: Aws) -> None:
    new_data.handler({}, None)
    arn = aws.registers(1, "Approved")
    aws.objects["examples/b.jsonl"] = "4"
    new_data.handler({}, None)
    parents = [{p["Name"]: p["Value"] for p in run["PipelineParameters"]} for run in aws.runs]
    assert [parent["Parent"] for parent in parents] == ["none", arn]


def test_data_that_is_not_complete_is_named(aws: Aws) -> None:
    del aws.objects["golden/g.jsonl"]
    with pytest.raises(new_data.NoData, match="s3://data/golden/ is empty"):
        new_data.handler({}, None)
    assert not aws.runs


@given(before=CONTENTS, after=CONTENTS)
def test_the_hash_tells_names_and_contents_apart(
    before: dict[str, str], after: dict[str, str]
) -> None:
    def digest(contents: dict[str, str]) -> str:
        aws = Aws()
        aws.objects = contents
        return new_data.data_hash(aws, "data", [""])

    assert (digest(before) == digest(after)) == (before == after)


def test_an_approval_deploys_and_keeps_the_way_back(aws: Aws) -> None:
    one, two, three = (aws.registers(n, "PendingManualApproval") for n in (1, 2, 3))
    changed(aws, one, "Approved")
    assert aws.resolved == "s3://data/compile/1/output/model/"
    changed(aws, two, "Approved")
    assert aws.resolved == "s3://data/compile/2/output/model/"
    assert aws.expiring() == set()
    changed(aws, three, "Approved")
    assert aws.expiring() == {"1"}
    changed(aws, one, "Approved")  # back to an older one, which must not expire
    assert aws.resolved == "s3://data/compile/1/output/model/"
    assert aws.expiring() == {"2"}


def test_after_a_rollback_the_parameter_names_what_serves(aws: Aws) -> None:
    one, two = (aws.registers(n, "PendingManualApproval") for n in (1, 2))
    changed(aws, one, "Approved")
    first = aws.resolved
    changed(aws, two, "Approved")
    assert rolls_back(aws, first) == {"served": first}
    assert aws.parameter == first
    # A late event changes nothing that was approved since.
    changed(aws, two)
    aws.status = "UPDATE_IN_PROGRESS"
    approval.handler({"source": "aws.cloudformation", "detail": {}}, None)
    assert aws.parameter == "s3://data/compile/2/output/model/"
    assert aws.expiring() == set()


def test_a_rejected_model_expires_and_is_not_served(aws: Aws) -> None:
    changed(aws, aws.registers(1, "Rejected"))
    assert aws.expiring() == {"1"}
    assert aws.resolved == FIRST


def test_a_late_event_acts_on_the_version_as_it_is_now(aws: Aws) -> None:
    assert changed(aws, aws.registers(1, "PendingManualApproval")) == {}
    assert (aws.resolved, aws.expiring()) == (FIRST, set())


def test_an_approval_during_another_update_is_tried_again(aws: Aws) -> None:
    old, new = aws.registers(1, "Approved"), aws.registers(2, "PendingManualApproval")
    changed(aws, old)
    aws.busy = True
    with pytest.raises(ValueError, match="UPDATE_IN_PROGRESS"):
        changed(aws, new, "Approved")
    aws.busy = False
    changed(aws, new)
    assert aws.resolved == "s3://data/compile/2/output/model/"
    assert aws.expiring() == set()  # the one before it is the way back
    assert changed(aws, new) == {}  # the event came twice
    assert aws.expiring() == set()
