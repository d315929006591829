"""SageMaker training jobs, as far as a deployment runs them: the job that compiles its model.

Nothing is compiled here. The job takes its arguments, and writes what the compiler would write,
with the permissions of its role and to the places that the request names.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError
from ministack.core.responses import get_account_id, get_region

from local import clock
from local import ministack_internals as internals
from local.models.aws import ServiceError, check_request
from local.roles import session_as
from sustainability.offers.serving_images import EcrImage

Request = dict[str, Any]

JOBS: dict[str, Request] = {}
"""Description of each job, by Region and name."""
QUOTA = 1
"""Instances of one type for training jobs; the quota of a new account is 0 for many types."""
_LOGS = "/aws/sagemaker/TrainingJobs"
_IMAGE_FILES = Path(__file__).resolve().parents[1] / "containers" / "neuron_vllm"
_RUNS = "InProgress"


def operations() -> dict[str, Callable[[Request], Request]]:
    """Return a function from request to response for each operation."""
    internals.keep("local_training_jobs", lambda: JOBS, _restore)
    return {
        "CreateTrainingJob": _create,
        "DescribeTrainingJob": lambda request: _job(request["TrainingJobName"]),
        "ListTrainingJobs": _list,
    }


def _create(request: Request) -> Request:
    check_request("sagemaker", "CreateTrainingJob", request)
    name, kind = request["TrainingJobName"], request["ResourceConfig"]["InstanceType"]
    if _key(name) in JOBS:
        raise ServiceError("ResourceInUse", "Training job names must be unique within a Region.")
    running = [
        job
        for job in JOBS.values()
        if job["TrainingJobStatus"] == _RUNS and job["ResourceConfig"]["InstanceType"] == kind
    ]
    if len(running) + request["ResourceConfig"]["InstanceCount"] > QUOTA:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{kind} for training job usage' is {QUOTA} "
            f"Instances, with current utilization of {len(running)} Instances.",
        )
    _check_image(request["AlgorithmSpecification"]["TrainingImage"])
    job = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "TrainingJobArn": f"{_arns()}:training-job/{name}",
        "TrainingJobStatus": _RUNS,
        "SecondaryStatus": "Starting",
        "CreationTime": clock.now(),
    }
    JOBS[_key(name)] = job
    session = session_as(request["RoleArn"], get_region())
    threading.Thread(target=_run, args=(job, session), daemon=True).start()
    return {"TrainingJobArn": job["TrainingJobArn"]}


def _check_image(uri: str) -> None:
    image = EcrImage.parse(uri)
    if image.region != get_region():
        raise ValueError(f"The image {uri} is not in {get_region()}.")
    known = internals.names_of("ecr", "_repositories")
    if image.account == get_account_id() and image.repository not in known:
        raise ValueError(f"Could not find the repository of {uri}.")


def _run(job: Request, session: boto3.Session) -> None:
    """Do what the container and SageMaker around it do, each with the job's role."""
    try:
        job["SecondaryStatus"] = "Training"
        _write_log(job, session)
        files = _compiled(job["AlgorithmSpecification"])
        job["SecondaryStatus"] = "Uploading"
        output = f"{job['OutputDataConfig']['S3OutputPath']}/{job['TrainingJobName']}/output"
        _put(session, output, {"model.tar.gz": b""})
        _put(session, job["CheckpointConfig"]["S3Uri"], files)
    except (ClientError, ValueError) as error:
        job |= {"TrainingJobStatus": "Failed", "SecondaryStatus": "Failed"}
        job["FailureReason"] = str(error)
    else:
        job |= {"TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}
    job["TrainingEndTime"] = job["LastModifiedTime"] = clock.now()
    job["BillableTimeInSeconds"] = int(clock.now() - job["CreationTime"])


def _compiled(algorithm: Request) -> dict[str, bytes]:
    """Return the files of a model compiled for the shapes in the program's arguments.

    Source of the names: optimum-neuron 0.4.5, NxDNeuronConfig and pretrained_model.py.
    """
    words = algorithm["ContainerArguments"]
    given = dict(zip(words[::2], words[1::2], strict=True))
    if not (_IMAGE_FILES / Path(algorithm["ContainerEntrypoint"][-1]).name).is_file():
        raise ValueError(f"AlgorithmError: no such file: {algorithm['ContainerEntrypoint'][-1]}")
    cores = int(given["--tensor-parallel"])
    described = {
        "batch_size": int(given["--batch-size"]),
        "sequence_length": int(given["--sequence-length"]),
        "tp_degree": cores,
    }
    weights = {f"checkpoint/weights/tp{core}.safetensors": b"" for core in range(cores)}
    return weights | {"model.pt": b"", "neuron_config.json": json.dumps(described).encode()}


def _write_log(job: Request, session: boto3.Session) -> None:
    logs, stream = session.client("logs"), f"{job['TrainingJobName']}/algo-1-1"
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=_LOGS)
    logs.create_log_stream(logGroupName=_LOGS, logStreamName=stream)
    told = " ".join(job["AlgorithmSpecification"]["ContainerArguments"])
    logs.put_log_events(
        logGroupName=_LOGS,
        logStreamName=stream,
        logEvents=[{"timestamp": int(clock.now() * 1000), "message": told}],
    )


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
        if job["TrainingJobStatus"] == _RUNS:
            job |= {"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
    JOBS.update(kept)


def _arns() -> str:
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}"


def _key(name: str) -> str:
    return f"{get_region()} {name}"
