"""SageMaker training jobs: those of a pipeline, and the job that compiles a deployment's model.

A job runs its command on this machine (`local.job_runs`), with the permissions of its role. The
exception is the program of our own serving image: it compiles a model that this machine lacks, so
it only takes its arguments, and writes what the compiler would write.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from ministack.core.responses import get_account_id, get_region

from local import clock, job_runs
from local import ministack_internals as internals
from local.compiler import compiled_files
from local.job_runs import RUNS, STOPPING, JobFailed
from local.models.aws import ServiceError, check_request
from local.roles import session_as
from sustainability.offers.serving_images import EcrImage

Request = dict[str, Any]

JOBS: dict[str, Request] = {}
"""Description of each job, by Region and name."""
QUOTA = 1
"""Instances of one type for training jobs; the quota of a new account is 0 for many types."""
_NO_COMPILER = "huggingface-pytorch-training"
"""The repository of the training image for GPUs; those for Neuron have ``optimum-cli``."""
_IMAGE_FILES = Path(__file__).resolve().parents[1] / "containers" / "neuron_vllm"


def operations() -> dict[str, Callable[[Request], Request]]:
    """Return a function from request to response for each operation."""
    internals.keep("local_training_jobs", lambda: JOBS, _restore)
    return {
        "CreateTrainingJob": _create,
        "DescribeTrainingJob": lambda request: _job(request["TrainingJobName"]),
        "ListTrainingJobs": _list,
        "StopTrainingJob": _stop,
    }


def _create(request: Request) -> Request:
    check_request("sagemaker", "CreateTrainingJob", request)
    name, kind = request["TrainingJobName"], request["ResourceConfig"]["InstanceType"]
    if _key(name) in JOBS:
        raise ServiceError("ResourceInUse", "Training job names must be unique within a Region.")
    running = [
        job
        for job in JOBS.values()
        if job["TrainingJobStatus"] == RUNS and job["ResourceConfig"]["InstanceType"] == kind
    ]
    if len(running) + request["ResourceConfig"]["InstanceCount"] > QUOTA:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{kind} for training job usage' is {QUOTA} "
            f"Instances, with current utilization of {len(running)} Instances.",
        )
    check_image(request["AlgorithmSpecification"]["TrainingImage"])
    job = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "TrainingJobArn": f"{_arns()}:training-job/{name}",
        "TrainingJobStatus": RUNS,
        "SecondaryStatus": "Starting",
        "CreationTime": clock.now(),
    }
    JOBS[_key(name)] = job
    session = session_as(request["RoleArn"], get_region())
    job_runs.start(job["TrainingJobArn"], partial(_run, job, session))
    return {"TrainingJobArn": job["TrainingJobArn"]}


def _stop(request: Request) -> Request:
    job = _job(request["TrainingJobName"])
    if job["TrainingJobStatus"] not in (RUNS, STOPPING):
        raise ValueError(
            f"The request was rejected because the training job is in status "
            f"{job['TrainingJobStatus']}."
        )
    job["TrainingJobStatus"] = STOPPING
    job_runs.stop(job["TrainingJobArn"])
    return {}


def check_image(uri: str) -> None:
    """Refuse an image of another Region, or of a repository that this account lacks."""
    image = EcrImage.parse(uri)
    if image.region != get_region():
        raise ValueError(f"The image {uri} is not in {get_region()}.")
    known = internals.names_of("ecr", "_repositories")
    if image.account == get_account_id() and image.repository not in known:
        raise ValueError(f"Could not find the repository of {uri}.")


def _run(job: Request, session: boto3.Session) -> None:
    """Do what the container and SageMaker around it do, each with the job's role."""
    with job_runs.ending(job, "Training"):
        entrypoint = job["AlgorithmSpecification"].get("ContainerEntrypoint", [""])
        if Path(entrypoint[-1]).suffix == ".py":
            _compile(job, session)
        else:
            _train(job, session)
    job["SecondaryStatus"] = job["TrainingJobStatus"]
    job["BillableTimeInSeconds"] = int(clock.now() - job["CreationTime"])


def _train(job: Request, session: boto3.Session) -> None:
    """Run the command of a job between the download of its inputs and the upload of its results."""
    name, algorithm = job["TrainingJobName"], job["AlgorithmSpecification"]
    kept, output = job.get("CheckpointConfig"), job["OutputDataConfig"]
    with job_runs.folder_of(name) as base:
        job["SecondaryStatus"] = "Downloading"
        channels = {each["ChannelName"]: each for each in job.get("InputDataConfig", ())}
        for channel, source in channels.items():
            uri = source["DataSource"]["S3DataSource"]["S3Uri"]
            job_runs.download(session, uri, base / "input" / "data" / channel)
        if kept:
            job_runs.download(session, kept["S3Uri"], base / "checkpoints", needed=False)
        settings = {
            "hyperparameters": job.get("HyperParameters", {}),
            "inputdataconfig": channels,
            "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
        }
        job_runs.write_settings(base / "input" / "config", settings)
        job["SecondaryStatus"] = "Training"
        try:
            job_runs.run(
                job["TrainingJobArn"],
                session,
                base,
                [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", ())],
                environment={
                    "TRAINING_JOB_NAME": name,
                    "TRAINING_JOB_ARN": job["TrainingJobArn"],
                    **job.get("Environment", {}),
                },
                limit_s=job["StoppingCondition"]["MaxRuntimeInSeconds"],
                compiles=EcrImage.parse(algorithm["TrainingImage"]).repository != _NO_COMPILER,
            )
        finally:
            if kept:
                job_runs.upload(session, base / "checkpoints", kept["S3Uri"])
        job["SecondaryStatus"] = "Uploading"
        place = f"{output['S3OutputPath'].rstrip('/')}/{name}/output"
        if output.get("CompressionType") == "NONE":
            artifacts = f"{place}/model"
            job_runs.upload(session, base / "model", artifacts)
        else:
            artifacts = f"{place}/model.tar.gz"
            job_runs.archive(base / "model", base / "packed")
            job_runs.upload(session, base / "packed", place)
        job_runs.upload(session, base / "output" / "data", f"{place}/data")
        job["ModelArtifacts"] = {"S3ModelArtifacts": artifacts}


def _compile(job: Request, session: boto3.Session) -> None:
    """Play the program of our serving image."""
    algorithm, output = job["AlgorithmSpecification"], job["OutputDataConfig"]["S3OutputPath"]
    job["SecondaryStatus"] = "Training"
    words = algorithm["ContainerArguments"]
    job_runs.write_log(session, job["TrainingJobArn"], [" ".join(words)])
    program = Path(algorithm["ContainerEntrypoint"][-1]).name
    if not (_IMAGE_FILES / program).is_file():
        raise JobFailed(f"AlgorithmError: no such file: {program}")
    given = dict(zip(words[::2], words[1::2], strict=True))
    shape = ("--batch-size", "--sequence-length", "--tensor-parallel")
    files = compiled_files(*(int(given[name]) for name in shape))
    job["SecondaryStatus"] = "Uploading"
    _put(session, f"{output}/{job['TrainingJobName']}/output", {"model.tar.gz": b""})
    _put(session, job["CheckpointConfig"]["S3Uri"], files)


def _put(session: boto3.Session, place: str, files: dict[str, bytes]) -> None:
    client, address = session.client("s3"), urlsplit(place)
    for name, body in files.items():
        key = f"{address.path.lstrip('/')}/{name}"
        client.put_object(Bucket=address.netloc, Key=key, Body=body)


def _list(request: Request) -> Request:
    found = [
        {
            key: job[key]
            for key in ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus")
        }
        for key, job in JOBS.items()
        if key.startswith(f"{get_region()} ")
        and request.get("NameContains", "") in job["TrainingJobName"]
    ]
    descending = request.get("SortOrder") == "Descending"
    found.sort(key=lambda job: job["CreationTime"], reverse=descending)
    return {"TrainingJobSummaries": found[: request.get("MaxResults", 10)]}


def _job(name: str) -> Request:
    if _key(name) not in JOBS:
        raise ValueError("Requested resource not found.")
    return JOBS[_key(name)]


def _restore(kept: dict[str, Request]) -> None:
    """Take back the jobs of an earlier run of the emulator, with which running ones ended."""
    for job in kept.values():
        if job["TrainingJobStatus"] in (RUNS, STOPPING):
            job |= {"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
    JOBS.update(kept)


def _arns() -> str:
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}"


def _key(name: str) -> str:
    return f"{get_region()} {name}"
