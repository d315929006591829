"""Batch Transform jobs, and the calls by which our state machines run them.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from botocore.validate import ParamValidator
from ministack.core.responses import get_account_id, get_region
from urllib3.exceptions import HTTPError

from local import clock
from local import ministack_internals as internals
from local.endpoints import MODEL, find
from local.invocations import post_to_model, read, write
from local.roles import session_as

Request = Mapping[str, Any]

_jobs: dict[tuple[str, str], dict[str, Any]] = {}
_ended: dict[tuple[str, str], threading.Event] = {}
_SYNC = ".sync"


def create(request: Request, models_url: str) -> dict[str, Any]:
    """Start a job. Raises ValueError if the request is at fault."""
    _check(request)
    name, region = request["TransformJobName"], get_region()
    model = find(MODEL, request["ModelName"], region)
    if (region, name) in _jobs:
        raise ValueError(f"Transform job {name} exists already.")
    arn = f"arn:aws:sagemaker:{region}:{get_account_id()}:transform-job/{name}"
    job = {
        **request,
        "TransformJobArn": arn,
        "TransformJobStatus": "InProgress",
        "CreationTime": clock.now(),
    }
    job.pop("Tags", None)
    _jobs[region, name], _ended[region, name] = job, threading.Event()
    role = model["properties"]["ExecutionRoleArn"]
    arguments = (job, session_as(role, region), models_url, _ended[region, name])
    threading.Thread(target=_run, args=arguments, daemon=True).start()
    return {"TransformJobArn": arn}


def describe(request: Request) -> dict[str, Any]:
    """Return what is known of a job. Raises ValueError if there is none."""
    try:
        return _jobs[get_region(), request["TransformJobName"]]
    except KeyError:
        raise ValueError(f"Could not find transform job {request['TransformJobName']}.") from None


def install(models_url: str) -> None:
    """Let Step Functions run jobs and wait for them, and do with S3 what our machines do."""

    def run_job(resource: str, request: Request) -> dict[str, Any]:
        try:
            created = create(request, models_url)
        except ValueError as error:
            raise internals.ExecutionError(
                "SageMaker.AmazonSageMakerException", str(error)
            ) from error
        if not resource.endswith(_SYNC):
            return created
        _ended[get_region(), request["TransformJobName"]].wait()
        job = describe(request)
        if job["TransformJobStatus"] != "Completed":
            raise internals.ExecutionError("States.TaskFailed", json.dumps(job))
        return job

    internals.TASKS.update(
        {
            "arn:aws:states:::sagemaker:createTransformJob": run_job,
            # The first is taken with whose name a resource begins.
            "arn:aws:states:::aws-sdk:s3:deleteObjects": _s3("delete_objects"),
            "arn:aws:states:::aws-sdk:s3:deleteObject": _s3("delete_object"),
            "arn:aws:states:::aws-sdk:s3:headObject": _s3("head_object"),
            "arn:aws:states:::aws-sdk:s3:listObjectsV2": _s3("list_objects_v2"),
            "arn:aws:states:::aws-sdk:s3:putObject": _s3("put_object"),
        }
    )


def _s3(operation: str) -> Callable[[str, Request], dict[str, Any]]:
    def call(resource: str, request: Request) -> dict[str, Any]:
        if "Body" in request:
            # What is no text is written as JSON.
            body = request["Body"]
            request = {**request, "Body": body if isinstance(body, str) else json.dumps(body)}
        client = boto3.client("s3", region_name=get_region())
        try:
            answer = getattr(client, operation)(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise internals.ExecutionError(f"S3.{code}Exception", str(error)) from error
        del answer["ResponseMetadata"]
        plain: dict[str, Any] = json.loads(json.dumps(answer, default=str))
        return plain

    return call


def _run(job: dict[str, Any], aws: boto3.Session, models_url: str, ended: threading.Event) -> None:
    url = f"{models_url}/endpoints/{job['TransformJobName']}/invocations"
    source, output = job["TransformInput"], job["TransformOutput"]["S3OutputPath"].rstrip("/")
    headers = {"content-type": source.get("ContentType", "application/octet-stream")}

    def answer(place: str) -> None:
        status, _, content = post_to_model(url, read(aws, prefix + place), headers)
        if status >= 400:
            raise ValueError(f"{prefix}{place}: {content.decode(errors='replace')}")
        write(aws, f"{output}/{place}.out", content)

    try:
        prefix, places = _inputs(aws, source["DataSource"]["S3DataSource"])
        with ThreadPoolExecutor(job.get("MaxConcurrentTransforms") or 1) as pool:
            list(pool.map(answer, places))
        job["TransformJobStatus"] = "Completed"
    except (BotoCoreError, ClientError, HTTPError, ValueError, KeyError) as error:
        job |= {"TransformJobStatus": "Failed", "FailureReason": str(error)[:1024]}
    finally:
        job["TransformEndTime"] = clock.now()
        ended.set()


def _inputs(aws: boto3.Session, source: Request) -> tuple[str, list[str]]:
    """Return the prefix of all objects that a manifest lists, and what follows it."""
    if source["S3DataType"] != "ManifestFile":
        raise ValueError(f"the embedded AWS reads manifests alone, not {source['S3DataType']}")
    first, *places = json.loads(read(aws, source["S3Uri"]))
    return first["prefix"], places


def _check(request: Request) -> None:
    """Hold the request against botocore's model of it. Raises ValueError naming what is wrong."""
    shape = _model().operation_model("CreateTransformJob").input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise ValueError(report.generate_report())


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sagemaker")
