"""The compile job as the embedded AWS plays it: what it takes, refuses and writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.core.responses import set_request_region

from local import job_runs, sagemaker, training_jobs
from local.models.aws import ServiceError
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.compiled_models import (
    COMPILE_ROLE,
    SERVING_IMAGE,
    artifacts_prefix,
    compile_job,
    missing_artifacts,
)

DEPLOYMENT = Deployment.load(Path(__file__).parents[3] / "deployments" / "examples" / "nap.yaml")
SHAPE = InferenceModel.named("qwen3-1.7b", Facts())
OUTPUTS = {
    COMPILE_ROLE: "arn:aws:iam::000000000000:role/compile",
    SERVING_IMAGE: "123456789012.dkr.ecr.eu-north-1.amazonaws.com/other:1",
}


class Session:
    """The job's session, which notes what was stored."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.exceptions = SimpleNamespace(ResourceAlreadyExistsException=KeyError)

    def client(self, _: str) -> Session:
        return self

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.stored[f"{Bucket}/{Key}"] = Body

    def __getattr__(self, _: str) -> Any:
        return lambda **__: None


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    session = Session()
    monkeypatch.setattr(training_jobs, "session_as", lambda role, region: session)
    monkeypatch.setattr(training_jobs, "JOBS", {})
    # At once, in place of a thread.
    monkeypatch.setattr(job_runs, "start", lambda arn, work: work())
    set_request_region("eu-north-1")
    yield session
    set_request_region(None)


def call(operation: str, **request: Any) -> dict[str, Any]:
    return sagemaker.operations()[operation](request)


def create(name: str = "job", **outputs: str) -> None:
    request = compile_job(DEPLOYMENT, SHAPE, name=name, bucket="models", outputs=OUTPUTS | outputs)
    call("CreateTrainingJob", **request)


def test_it_writes_what_a_server_needs_to_the_place_of_the_plan(session: Session) -> None:
    create()
    assert call("DescribeTrainingJob", TrainingJobName="job")["TrainingJobStatus"] == "Completed"
    place = f"models/{artifacts_prefix(SHAPE)}"
    names = {key.removeprefix(place) for key in session.stored if key.startswith(place)}
    assert missing_artifacts(names) == []
    described = json.loads(session.stored[f"{place}neuron_config.json"])
    assert described["batch_size"] == SHAPE.slots
    (listed,) = call("ListTrainingJobs", NameContains="jo")["TrainingJobSummaries"]
    assert listed["TrainingJobName"] == "job"


def test_a_name_is_used_once_and_the_quota_holds(session: Session) -> None:
    create()
    with pytest.raises(ServiceError, match="unique"):
        create()
    training_jobs.JOBS["eu-north-1 job"]["TrainingJobStatus"] = "InProgress"
    with pytest.raises(ServiceError, match="for training job usage' is 1") as refused:
        create("other")
    assert refused.value.code == "ResourceLimitExceeded"


def test_an_image_of_another_region_or_none_is_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="is not in eu-north-1"):
        create(**{SERVING_IMAGE: OUTPUTS[SERVING_IMAGE].replace("eu-north-1", "us-east-1")})
    with pytest.raises(ValueError, match="Could not find the repository"):
        create(**{SERVING_IMAGE: OUTPUTS[SERVING_IMAGE].replace("123456789012", "0" * 12)})


def test_a_fault_that_nobody_foresaw_ends_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    job: dict[str, Any] = {"ProcessingJobStatus": "InProgress"}
    with job_runs.ending(job, "Processing"):
        raise KeyError("unforeseen")
    assert (job["ProcessingJobStatus"], job["FailureReason"]) == ("Failed", "'unforeseen'")
    assert "Traceback" in capsys.readouterr().err
