"""New data becomes a model that waits, its approval serves it, and a rollback is noted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
import urllib3

from local.embedded import EmbeddedAws
from sustainability.deployment.schema import Deployment
from sustainability.operate.cdk import EMBEDDED_ACCOUNT
from sustainability.operate.leftovers import Leftovers
from sustainability.plan.tuning import READY, model_parameter, pipeline_name, training_bucket
from tests.e2e.conftest import ROOT, left_of, quiet
from tests.pipeline_programs import inputs, programs

FILE = ROOT / "deployments" / "examples" / "tuned.yaml"
TUNED = Deployment.load(FILE)
BUCKET, NAME = training_bucket(TUNED, EMBEDDED_ACCOUNT), pipeline_name(TUNED)
PARAMETER, STACK = model_parameter(TUNED), "tuned-inference"
PATIENCE_S = 300

Clients = Callable[[str], Any]


def eventually(true: Callable[[], object], told: Callable[[], object]) -> None:
    """Wait until something is true; say what is, if it takes minutes."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def tuned(embedded: EmbeddedAws, client: Clients) -> Clients:
    """Deploy the example, and give its pipeline programs that need no weights."""
    embedded.deploy(FILE, quiet)
    definition = client("sagemaker").describe_pipeline(PipelineName=NAME)["PipelineDefinition"]
    (code,) = (
        each["S3Input"]["S3Uri"]
        for each in json.loads(definition)["Steps"][0]["Arguments"]["ProcessingInputs"]
        if each["InputName"] == "code"
    )
    bucket, _, key = code.removeprefix("s3://").partition("/")
    client("s3").put_object(Bucket=bucket, Key=key, Body=programs())
    return client


def runs(client: Clients) -> list[dict[str, Any]]:
    listed = client("sagemaker").list_pipeline_executions(PipelineName=NAME)
    found: list[dict[str, Any]] = listed["PipelineExecutionSummaries"]
    return found


def packages(client: Clients) -> list[dict[str, Any]]:
    listed = client("sagemaker").list_model_packages(ModelPackageGroupName=NAME)
    found: list[dict[str, Any]] = listed["ModelPackageSummaryList"]
    return found


def stack(client: Clients) -> tuple[str, str]:
    """Return the status of the endpoint's stack, and the model that it serves."""
    (found,) = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    (served,) = (p for p in found["Parameters"] if p["ParameterValue"] == PARAMETER)
    return found["StackStatus"], served["ResolvedValue"]


def parameter(client: Clients) -> str:
    return str(client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"])


def approve(client: Clients, arn: str) -> None:
    client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")


def test_new_data_starts_one_run_and_ends_with_a_model_that_waits(tuned: Clients) -> None:
    for key, body in inputs().items():
        tuned("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    assert runs(tuned) == []  # incomplete data starts nothing
    tuned("s3").put_object(Bucket=BUCKET, Key=READY, Body=b"")
    ended = ("Succeeded", "Failed", "Stopped")
    eventually(
        lambda: [run["PipelineExecutionStatus"] for run in runs(tuned)][:1] in ([e] for e in ended),
        lambda: runs(tuned),
    )
    (run,) = runs(tuned)
    steps = tuned("sagemaker").list_pipeline_execution_steps(
        PipelineExecutionArn=run["PipelineExecutionArn"]
    )["PipelineExecutionSteps"]
    assert run["PipelineExecutionStatus"] == "Succeeded", steps
    (package,) = packages(tuned)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    functions = tuned("lambda").list_functions()["Functions"]
    (name,) = (f["FunctionName"] for f in functions if "new_data" in f.get("Handler", ""))
    again = json.loads(tuned("lambda").invoke(FunctionName=name)["Payload"].read())
    assert again["started"] is False
    assert run["PipelineExecutionDisplayName"] == f"data-{again['data']}"


def test_an_approval_updates_the_endpoint(tuned: Clients) -> None:
    (package,) = packages(tuned)
    before = stack(tuned)[1]
    approve(tuned, package["ModelPackageArn"])
    eventually(lambda: stack(tuned)[1] != before, lambda: stack(tuned))
    status, served = stack(tuned)
    assert status in ("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS")
    assert served == parameter(tuned)
    assert served.startswith(f"s3://{BUCKET}/compile/")
    place = served.removeprefix(f"s3://{BUCKET}/")
    listed = tuned("s3").list_objects_v2(Bucket=BUCKET, Prefix=place)["Contents"]
    assert f"{place}neuron_config.json" in {item["Key"] for item in listed}


def test_a_model_that_was_rolled_back_is_not_tried_again(tuned: Clients) -> None:
    eventually(lambda: stack(tuned)[0] == "UPDATE_COMPLETE", lambda: stack(tuned))
    served = parameter(tuned)
    (first,) = packages(tuned)
    made = tuned("sagemaker").describe_model_package(ModelPackageName=first["ModelPackageArn"])
    lost = f"s3://{BUCKET}/compile/lost"
    container = {
        "Image": made["InferenceSpecification"]["Containers"][0]["Image"],
        "ModelDataSource": {
            "S3DataSource": {"S3Uri": lost, "S3DataType": "S3Prefix", "CompressionType": "None"}
        },
    }
    arn = tuned("sagemaker").create_model_package(
        ModelPackageGroupName=NAME,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    approve(tuned, arn)
    eventually(lambda: stack(tuned)[0] == "UPDATE_ROLLBACK_COMPLETE", lambda: stack(tuned))
    eventually(lambda: parameter(tuned) == served, lambda: parameter(tuned))
    history = tuned("ssm").get_parameter_history(Name=PARAMETER)["Parameters"]
    assert [each["Value"] for each in history][-2:] == [f"{lost}/", served]
    assert stack(tuned)[1] == served


def test_each_role_was_granted_what_it_asked_for(tuned: Clients, embedded: EmbeddedAws) -> None:
    url = embedded.running()["emulator"].url
    roles = urllib3.request("GET", f"{url}/_local/grants").json()
    refused = {each["role"]: each["refused"] for each in roles if "tuned-" in each["role"]}
    assert len([role for role in refused if "customization" in role]) >= 8
    assert not any(refused.values()), refused


def test_destroyed_it_leaves_its_data_and_its_models(tuned: Clients, embedded: EmbeddedAws) -> None:
    embedded.destroy(FILE, quiet)
    kept = left_of(embedded, "tuned-")
    assert kept == {"AWS::S3::Bucket", "AWS::SageMaker::ModelPackageGroup"}
    assert len(packages(tuned)) == 2
    Leftovers(TUNED, boto3.Session(region_name=TUNED.region)).delete_models()
    assert left_of(embedded, "tuned-") == {"AWS::S3::Bucket"}
