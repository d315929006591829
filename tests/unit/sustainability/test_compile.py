"""``compile``: a job that SageMaker takes, once, followed to its end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import boto3
import botocore.exceptions
import pytest

from local.models.aws import ServiceError, check_request
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.operate import compiling
from sustainability.operate.compiling import Compiling
from sustainability.plan.compiled_models import (
    COMPILE_ROLE,
    HUB,
    SERVING_IMAGE,
    artifacts_prefix,
    compile_job,
    job_stem,
)

FILE = Path(__file__).parents[3] / "deployments" / "examples" / "realtime.yaml"
DEPLOYMENT = Deployment.load(FILE)
SHAPE = InferenceModel.named("qwen3-1.7b", Facts())
OUTPUTS = {
    COMPILE_ROLE: "arn:aws:iam::123456789012:role/compile",
    SERVING_IMAGE: "123456789012.dkr.ecr.eu-north-1.amazonaws.com/realtime-serving:1",
}
FILES = ("neuron_config.json", "model.pt", "checkpoint/weights/tp0.safetensors")


def request_for(model: str) -> dict[str, Any]:
    shape = InferenceModel.named(model, Facts())
    name = f"{job_stem(DEPLOYMENT, shape)}-20261128000000"
    return compile_job(DEPLOYMENT, shape, name=name, bucket="models", outputs=OUTPUTS)


@pytest.mark.parametrize("model", HUB)
def test_each_model_is_compiled_by_a_job_that_the_service_takes(model: str) -> None:
    check_request("sagemaker", "CreateTrainingJob", request_for(model))


def test_a_type_on_which_sagemaker_does_not_train_is_found() -> None:
    request = copy.deepcopy(request_for("qwen3-1.7b"))
    request["ResourceConfig"]["InstanceType"] = "ml.inf2.xlarge"
    with pytest.raises(ServiceError, match="InstanceType: must be one of"):
        check_request("sagemaker", "CreateTrainingJob", request)


class Account:
    """CloudFormation, S3, SageMaker and STS, with one job at most, which needs two looks."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.jobs: list[dict[str, Any]] = []
        self.outcome = "Completed"
        self.looks = 0

    def client(self, _: str) -> Account:
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}

    def get_paginator(self, _: str) -> Account:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": Prefix + name} for name in self.files]}]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        found = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"Outputs": found}]}

    def list_training_jobs(self, NameContains: str, **_: Any) -> dict[str, Any]:
        return {"TrainingJobSummaries": self.jobs}

    def create_training_job(self, **request: Any) -> None:
        self.jobs = [{"TrainingJobName": request["TrainingJobName"]}]
        self.jobs[0]["TrainingJobStatus"] = "InProgress"
        self.place = request["CheckpointConfig"]["S3Uri"]

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        self.looks += 1
        (job,) = self.jobs
        if self.looks == 2:
            job |= {"TrainingJobStatus": self.outcome, "FailureReason": "no weights"}
            self.files |= set(FILES)
        return {"SecondaryStatus": "Training", **job}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(compiling.time, "sleep", lambda seconds: None)
    return Account()


def run(account: Account) -> str:
    session = cast("boto3.Session", account)
    return Compiling(DEPLOYMENT, SHAPE, session).run(lambda text: None)


def test_what_is_compiled_once_is_never_compiled_again(account: Account) -> None:
    assert "compiled in" in run(account)
    assert account.place + "/" == f"s3://realtime-models-123456789012-eu-north-1/{PREFIX}"
    (job,) = account.jobs
    assert "compiled already" in run(account)
    assert account.jobs == [job]


PREFIX = artifacts_prefix(SHAPE)


def test_who_stopped_to_watch_follows_the_job_that_runs(account: Account) -> None:
    account.jobs = [{"TrainingJobName": "earlier", "TrainingJobStatus": "InProgress"}]
    assert "by job earlier" in run(account)


def test_a_job_that_failed_says_why_and_is_started_anew(account: Account) -> None:
    account.outcome = "Failed"
    with pytest.raises(UserError, match=r"failed: no weights.*Run this again"):
        run(account)
    account.outcome, account.looks, account.files = "Completed", 0, set()
    assert "compiled in" in run(account)


def test_a_refusal_is_one_line(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        refusal = {"Error": {"Code": "ResourceLimitExceeded", "Message": "the quota is 0"}}
        raise botocore.exceptions.ClientError(refusal, "CreateTrainingJob")

    monkeypatch.setattr(account, "create_training_job", refuse)
    with pytest.raises(UserError, match=r"refused to compile.*the quota is 0"):
        run(account)
