"""SageMaker processing jobs: a command between inputs and outputs in S3, run on this machine.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from ministack.core.responses import get_account_id, get_region

from local import clock, job_runs
from local import ministack_internals as internals
from local.job_runs import MOUNTED, RUNS, STOPPING, JobFailed
from local.models.aws import ServiceError, check_request
from local.roles import session_as
from local.training_jobs import check_image

Request = dict[str, Any]

JOBS: dict[str, Request] = {}
"""Description of each job, by Region and name."""
_LONGEST_S = 86400
"""How long a job may run that does not say."""


def operations() -> dict[str, Callable[[Request], Request]]:
    """Return a function from request to response for each operation."""
    internals.keep("local_processing_jobs", lambda: JOBS, _restore)
    return {
        "CreateProcessingJob": _create,
        "DescribeProcessingJob": lambda request: _job(request["ProcessingJobName"]),
        "StopProcessingJob": _stop,
    }


def _create(request: Request) -> Request:
    check_request("sagemaker", "CreateProcessingJob", request)
    name, region = request["ProcessingJobName"], get_region()
    if _key(name) in JOBS:
        raise ServiceError("ResourceInUse", "Job name must be unique within an AWS account.")
    check_image(request["AppSpecification"]["ImageUri"])
    job = {
        **{key: value for key, value in request.items() if key != "Tags"},
        "ProcessingJobArn": f"arn:aws:sagemaker:{region}:{get_account_id()}:processing-job/{name}",
        "ProcessingJobStatus": RUNS,
        "CreationTime": clock.now(),
    }
    JOBS[_key(name)] = job
    work = partial(_run, job, session_as(request["RoleArn"], region))
    job_runs.start(job["ProcessingJobArn"], work)
    return {"ProcessingJobArn": job["ProcessingJobArn"]}


def _run(job: Request, session: boto3.Session) -> None:
    with (
        job_runs.ending(job, "Processing"),
        job_runs.folder_of(job["ProcessingJobName"]) as base,
    ):
        _process(job, session, base)


def _process(job: Request, session: boto3.Session, base: Path) -> None:
    application = job["AppSpecification"]
    for source in job.get("ProcessingInputs", ()):
        place = source["S3Input"]
        job_runs.download(session, place["S3Uri"], _inside(base, place["LocalPath"]))
    hosts = {"current_host": "algo-1", "hosts": ["algo-1"]}
    settings = {"processingjobconfig": job, "resourceconfig": hosts}
    job_runs.write_settings(base / "config", settings)
    job_runs.run(
        job["ProcessingJobArn"],
        session,
        base,
        [*application["ContainerEntrypoint"], *application.get("ContainerArguments", ())],
        environment=job.get("Environment", {}),
        limit_s=job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _LONGEST_S),
    )
    for result in job.get("ProcessingOutputConfig", {}).get("Outputs", ()):
        place = result["S3Output"]
        job_runs.upload(session, _inside(base, place["LocalPath"]), place["S3Uri"])


def _inside(base: Path, path: str) -> Path:
    """Return where a path of the container is, which must be below ``/opt/ml``."""
    if not path.startswith(f"{MOUNTED}/"):
        raise JobFailed(f"ClientError: LocalPath {path} must be below {MOUNTED}")
    return base / path.removeprefix(f"{MOUNTED}/")


def _stop(request: Request) -> Request:
    job = _job(request["ProcessingJobName"])
    if job["ProcessingJobStatus"] in (RUNS, STOPPING):
        job["ProcessingJobStatus"] = STOPPING
        job_runs.stop(job["ProcessingJobArn"])
    return {}


def _job(name: str) -> Request:
    if _key(name) not in JOBS:
        raise ServiceError("ResourceNotFound", f"Could not find requested job with name: {name}")
    return JOBS[_key(name)]


def _restore(kept: dict[str, Request]) -> None:
    """Take back the jobs of an earlier run of the emulator, with which running ones ended."""
    for job in kept.values():
        if job["ProcessingJobStatus"] in (RUNS, STOPPING):
            job["ProcessingJobStatus"] = "Stopped"
    JOBS.update(kept)


def _key(name: str) -> str:
    return f"{get_region()} {name}"
