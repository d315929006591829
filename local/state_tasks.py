"""The AWS calls with which our state machines empty a mailbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from ministack.core.responses import get_region

from local import ministack_internals as internals

Request = Mapping[str, Any]

_CALLS = {
    # The first name with which a resource begins is used.
    "s3:copyObject": ("s3", "copy_object"),
    "s3:deleteObject": ("s3", "delete_object"),
    "s3:getObject": ("s3", "get_object"),
    "s3:headObject": ("s3", "head_object"),
    "s3:listObjectsV2": ("s3", "list_objects_v2"),
    "s3:putObject": ("s3", "put_object"),
    "sagemaker:updateEndpointWeightsAndCapacities": (
        "sagemaker",
        "update_endpoint_weights_and_capacities",
    ),
    "sagemakerruntime:invokeEndpointAsync": ("sagemaker-runtime", "invoke_endpoint_async"),
}
_NAMES = {"s3": "S3", "sagemaker": "SageMaker", "sagemaker-runtime": "SageMakerRuntime"}
"""A service's name in Step Functions' errors."""


def install() -> None:
    """Register the calls as tasks of Step Functions."""
    internals.TASKS.update(
        {f"arn:aws:states:::aws-sdk:{task}": _call(*call) for task, call in _CALLS.items()}
    )


def _call(service: str, operation: str) -> Callable[[str, Request], dict[str, Any]]:
    def call(resource: str, request: Request) -> dict[str, Any]:
        if "Body" in request:
            # A value that is not a string is written as JSON.
            body = request["Body"]
            request = {**request, "Body": body if isinstance(body, str) else json.dumps(body)}
        client = boto3.client(service, region_name=get_region())
        try:
            answer = getattr(client, operation)(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise internals.ExecutionError(
                f"{_NAMES[service]}.{code}Exception", str(error)
            ) from error
        del answer["ResponseMetadata"]
        if "Body" in answer:
            answer["Body"] = answer["Body"].read().decode()
        plain: dict[str, Any] = json.loads(json.dumps(answer, default=str))
        return plain

    return call
