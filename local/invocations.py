"""Calls to an endpoint's model: at once, or from a queue in S3 with notifications by SNS.

https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from local import clock, weights
from local.endpoints import Fleet, fleets
from local.models.application import WEIGHTS_HEADER
from local.models.aws import ServiceError
from local.roles import session_as

Answer = tuple[int, dict[str, str], bytes]
_HTTP = urllib3.PoolManager(maxsize=32)
_PASSED_ON = ("content-type", "accept", "x-amzn-sagemaker-inference-component")
_SLOTS = 4
"""SageMaker's default depends on the instance; our stacks always set a value."""


def post_to_model(
    url: str, body: bytes, headers: Mapping[str, str], weights: str | None = None
) -> Answer:
    """Answer one request by the local model or by other weights, in SageMaker Runtime's shapes."""
    passed_on = {name: headers[name] for name in _PASSED_ON if name in headers}
    if weights:
        passed_on[WEIGHTS_HEADER] = weights
    answer = _HTTP.request("POST", url, body=body, headers=passed_on, retries=False)
    lower = {name.lower(): text for name, text in answer.headers.items()}
    kept = {name: text for name, text in lower.items() if name.startswith(("content-type", "x-"))}
    return answer.status, kept, answer.data


def invoke(fleet: Fleet, models_url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Answer by an endpoint, and publish the metrics that SageMaker publishes."""
    copies, began = fleet.current or 1, time.perf_counter()
    url = f"{models_url}/endpoints/{fleet.endpoint}/invocations"
    answer = post_to_model(url, body, headers, weights.of(fleet.model, fleet.region))
    microseconds = (time.perf_counter() - began) * 1e6
    error = json.loads(answer[2]) if answer[0] >= 400 else {}
    status = error.get("OriginalStatusCode", answer[0])
    fleet.publish_answer({"ModelLatency": microseconds}, unit="Microseconds")
    counts: dict[str, float] = {
        "Invocation4XXErrors": int(400 <= status < 500),
        "Invocation5XXErrors": int(status >= 500),
    }
    if fleet.queue_config is None:
        counts |= {
            "Invocations": 1,
            "InvocationModelErrors": int(status >= 400),
            f"InvocationsPer{'Copy' if fleet.component else 'Instance'}": 1 / copies,
        }
    fleet.publish_answer(counts)
    return answer


def enqueue(fleet: Fleet, headers: Mapping[str, str]) -> Answer:
    """Put a request into an asynchronous endpoint's queue; return where its answer will be."""
    config = fleet.queue_config
    source = headers.get("x-amzn-sagemaker-inputlocation")
    if config is None:
        raise ServiceError("ValidationError", f"Endpoint {fleet.endpoint} is not asynchronous.")
    if source is None:
        raise ServiceError("ValidationError", "InputLocation is needed by the embedded AWS.")
    name, output = uuid.uuid4(), config["OutputConfig"]
    request: dict[str, Any] = {
        "id": headers.get("x-amzn-sagemaker-inference-id") or str(name),
        "source": source,
        "content-type": headers.get("x-amzn-sagemaker-content-type", "application/octet-stream"),
        "output": f"{output['S3OutputPath'].rstrip('/')}/{name}.out",
        "failure": f"{output['S3FailurePath'].rstrip('/')}/{name}-error.out",
        "received_at": clock.now(),
    }
    fleet.state["queue"].append(request)
    places = {
        "x-amzn-sagemaker-outputlocation": request["output"],
        "x-amzn-sagemaker-failurelocation": request["failure"],
        "content-type": "application/json",
    }
    return 202, places, json.dumps({"InferenceId": request["id"]}).encode()


def work_off_queues(models_url: str) -> None:
    """Start as many waiting requests as the running instances process concurrently."""
    for fleet in fleets():
        if fleet.queue_config is None:
            continue
        client = fleet.queue_config.get("ClientConfig", {})
        slots = int(client.get("MaxConcurrentInvocationsPerInstance", _SLOTS))
        queue = fleet.state["queue"]
        while queue and fleet.outstanding < slots * fleet.current:
            request = queue.pop(0)
            fleet.begin()
            arguments = (fleet, request, models_url)
            threading.Thread(target=_answer, args=arguments, daemon=True).start()


def _answer(fleet: Fleet, request: Mapping[str, Any], models_url: str) -> None:
    try:
        aws = session_as(fleet.model["ExecutionRoleArn"], fleet.region)
        try:
            body = read(aws, request["source"])
            headers = {"content-type": request["content-type"]}
            status, _, answer = invoke(fleet, models_url, body, headers)
        except (BotoCoreError, ClientError, urllib3.exceptions.HTTPError) as error:
            status, answer = 400, str(error).encode()
        succeeded = status < 400
        place = request["output" if succeeded else "failure"]
        write(aws, place, answer)
        fleet.publish_outcome("InvocationsProcessed" if succeeded else "InvocationsFailed")
        _tell(aws, fleet, request, place, succeeded)
    finally:
        fleet.end()


def _tell(aws: Any, fleet: Fleet, request: Mapping[str, Any], place: str, succeeded: bool) -> None:
    assert fleet.queue_config is not None
    topics = fleet.queue_config["OutputConfig"].get("NotificationConfig", {})
    topic = topics.get("SuccessTopic" if succeeded else "ErrorTopic")
    if topic is None:
        return
    message = {
        "awsRegion": fleet.region,
        "eventTime": _iso(clock.now()),
        "receivedTime": _iso(request["received_at"]),
        "invocationStatus": "Completed" if succeeded else "Failed",
        "requestParameters": {
            "endpointName": fleet.endpoint,
            "inputLocation": request["source"],
            "contentType": request["content-type"],
        },
        "responseParameters": {"outputLocation": place},
        "inferenceId": request["id"],
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    aws.client("sns").publish(TopicArn=topic, Message=json.dumps(message))


def read(aws: Any, uri: str) -> bytes:
    """Return an S3 object's content."""
    bucket, key = _split(uri)
    content: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def write(aws: Any, uri: str, content: bytes) -> None:
    """Write an S3 object."""
    bucket, key = _split(uri)
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")
