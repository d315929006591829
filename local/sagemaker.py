"""The part of Amazon SageMaker's API that is called on what our stacks deploy.

IAM decides who may call it, as for every other service.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

from local import ministack_internals as internals
from local import processing_jobs, state_tasks, training_jobs
from local.endpoints import COMPONENT, ENDPOINT, MODEL, Fleet, find, fleets, variant_of
from local.invocations import Answer, enqueue, invoke
from local.models.application import error_response
from local.models.aws import ServiceError
from local.pipelines import executions, registry
from local.roles import require_trust

_INVOCATION = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations)")
_COMPONENT_HEADER = "x-amzn-sagemaker-inference-component"
_NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be "
    "in-progress (if configured) or try to increase the capacity by invoking "
    "UpdateInferenceComponentRuntimeConfig API."
)
_RESOURCES = {
    "EndpointName": "endpoint",
    "InferenceComponentName": "inference-component",
    "ModelPackageGroupName": "model-package-group",
    "PipelineName": "pipeline",
    "ProcessingJobName": "processing-job",
    "TrainingJobName": "training-job",
}
_PASSED_A_ROLE = ("CreateProcessingJob", "CreateTrainingJob")


def operations() -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """Return a function from request to response for each operation of the control plane.

    Each raises ValueError where SageMaker would answer with a ValidationException.
    """
    return {
        "CreateTransformJob": _refuse_transform_job,
        "DescribeEndpoint": _describe_endpoint,
        "DescribeInferenceComponent": _describe_component,
        "UpdateEndpointWeightsAndCapacities": _update_instances,
        "UpdateInferenceComponentRuntimeConfig": _update_copies,
        **executions.operations(),
        **processing_jobs.operations(),
        **registry.operations(),
        **training_jobs.operations(),
    }


def install(models_url: str) -> None:
    """Serve SageMaker beside the emulator's own services, with the models at `models_url`."""
    played = operations()

    async def serve(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> Answer:
        if invocation := _INVOCATION.fullmatch(path):
            return await _invoke(unquote(invocation[1]), invocation[2], headers, body, models_url)
        operation = headers.get("x-amz-target", "").removeprefix("SageMaker.")
        try:
            if operation not in played:
                raise ValueError(f"The embedded AWS does not support SageMaker's {operation}.")
            request = json.loads(body)
            if operation in _PASSED_A_ROLE and (refusal := _may_pass(request, headers, query)):
                return refusal
            return _json(200, played[operation](request))
        except ServiceError as error:
            return _json(400, {"__type": error.code, "message": error.message})
        except ValueError as error:
            return _json(400, {"__type": "ValidationException", "message": str(error)})

    app.SERVICE_HANDLERS["sagemaker"] = serve
    _authorize()
    state_tasks.install()


def _may_pass(request: dict[str, Any], headers: Mapping[str, str], query: Any) -> Answer | None:
    """Return IAM's refusal to give a job its role; raise ValueError if SageMaker may not take it.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    role = request["RoleArn"]
    to = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    refusal = internals.denied("sagemaker", "iam:PassRole", headers, query, role, to)
    if refusal is None:
        require_trust(role)
    return refusal


def _authorize() -> None:
    """Register which IAM actions and resources the requests need."""
    internals.authorize_service("sagemaker", "sagemaker-runtime")
    others = iam_actions.extract_resource_arn

    def resource_arn(
        service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any
    ) -> Any:
        if service != "sagemaker":
            return others(service, method, path, headers, body, *rest)
        if invocation := _INVOCATION.fullmatch(path):
            return _arn("endpoint", unquote(invocation[1]))
        operation = headers.get("x-amz-target", "").removeprefix("SageMaker.")
        return _named(operation, json.loads(body or b"{}"))

    iam_actions.extract_resource_arn = resource_arn


def _named(operation: str, request: Mapping[str, Any]) -> str:
    """Return the ARN on which a request needs its permission, or ``*``."""
    if arn := request.get("PipelineExecutionArn", request.get("ModelPackageArn")):
        return str(arn)
    if "ModelPackageName" in request:
        return registry.package_arn(request["ModelPackageName"])
    if operation in ("CreateModelPackage", "ListModelPackages"):
        # https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-version-xaccount.html
        return _arn("model-package", f"{request['ModelPackageGroupName'].rsplit('/', 1)[-1]}/*")
    named = (
        _arn(kind, request[key].rsplit("/", 1)[-1])
        for key, kind in _RESOURCES.items()
        if key in request
    )
    return next(named, "*")


def status() -> list[dict[str, Any]]:
    """Return how many copies each endpoint has, and how many requests wait for one."""
    return [
        {
            "name": fleet.name,
            "current": fleet.current,
            "desired": fleet.desired,
            "waiting": len(fleet.state["queue"]),
        }
        for fleet in fleets()
    ]


async def _invoke(
    endpoint: str, operation: str, headers: Mapping[str, str], body: bytes, models_url: str
) -> Answer:
    try:
        fleet = _asked(endpoint, headers.get(_COMPONENT_HEADER))
        if operation == "async-invocations":
            return enqueue(fleet, headers)
        if fleet.queue_config:
            raise ServiceError("ValidationError", f"Endpoint {endpoint} is asynchronous.")
        if not fleet.current:
            fleet.publish_refusal()
            raise ServiceError("ValidationError", _NO_CAPACITY)
    except ServiceError as error:
        refusal = error_response(error)
        return _json(refusal.status, refusal.body, refusal.headers)
    fleet.begin()
    try:
        return await asyncio.to_thread(invoke, fleet, models_url, body, headers)
    finally:
        fleet.end()


def _asked(endpoint: str, component: str | None) -> Fleet:
    candidates = [f for f in fleets() if (f.endpoint, f.region) == (endpoint, get_region())]
    if not candidates:
        raise ServiceError(
            "ValidationError", f"Endpoint {endpoint} of account {get_account_id()} not found."
        )
    for fleet in candidates:
        if fleet.component == component:
            return fleet
    raise ServiceError(
        "ValidationError",
        f"Inference Component {component} is not of endpoint {endpoint}."
        if component
        else "Inference Component Name header is required for endpoints of inference components.",
    )


def _describe_endpoint(request: dict[str, Any]) -> dict[str, Any]:
    name, region = request["EndpointName"], get_region()
    record, variant = find(ENDPOINT, name, region), variant_of(name, region)
    copies = [fleet for fleet in fleets() if (fleet.endpoint, fleet.region) == (name, region)]
    summary: dict[str, Any] = {"VariantName": variant["VariantName"]}
    for fleet in copies:
        summary |= {
            "CurrentInstanceCount": fleet.instances(fleet.current),
            "DesiredInstanceCount": fleet.instances(fleet.desired),
        }
    return {
        "EndpointName": name,
        "EndpointArn": record["id"],
        "EndpointConfigName": record["properties"]["EndpointConfigName"],
        "EndpointStatus": _status(copies),
        "ProductionVariants": [summary],
        **_times(copies),
    }


def _describe_component(request: dict[str, Any]) -> dict[str, Any]:
    fleet = _component(request)
    properties = fleet.record["properties"]
    return {
        "InferenceComponentName": fleet.component,
        "InferenceComponentArn": fleet.record["id"],
        "EndpointName": fleet.endpoint,
        "EndpointArn": _arn("endpoint", fleet.endpoint),
        "VariantName": fleet.variant,
        "Specification": {"ModelName": properties["Specification"]["ModelName"]},
        "RuntimeConfig": {"DesiredCopyCount": fleet.desired, "CurrentCopyCount": fleet.current},
        "InferenceComponentStatus": _status([fleet]),
        **_times([fleet]),
    }


def _update_copies(request: dict[str, Any]) -> dict[str, Any]:
    fleet = _component(request)
    fleet.resize(int(request["DesiredRuntimeConfig"]["CopyCount"]))
    return {"InferenceComponentArn": fleet.record["id"]}


def _update_instances(request: dict[str, Any]) -> dict[str, Any]:
    name, region = request["EndpointName"], get_region()
    for change in request["DesiredWeightsAndCapacities"]:
        served = [
            fleet
            for fleet in fleets()
            if (fleet.region, fleet.endpoint, fleet.variant, fleet.component)
            == (region, name, change["VariantName"], None)
        ]
        if not served:
            raise ValueError(f"Variant {change['VariantName']} of endpoint {name} not found.")
        wanted = int(change["DesiredInstanceCount"])
        if not wanted and served[0].queue_config is None:
            raise ValueError(f"Endpoint {name} is not asynchronous: it keeps one instance.")
        if _status(served) != "InService":
            raise ValueError(f"Cannot update in-progress endpoint {name}.")
        served[0].resize(wanted)
    return {"EndpointArn": _arn("endpoint", name)}


def _refuse_transform_job(request: dict[str, Any]) -> dict[str, Any]:
    """Refuse as SageMaker refuses (ContainerDefinition, SageMaker API reference)."""
    container = find(MODEL, request["ModelName"], get_region())["properties"]["PrimaryContainer"]
    if "ModelDataSource" in container:
        raise ValueError(
            f"Model {request['ModelName']} has a ModelDataSource, which cannot be used in "
            "conjunction with SageMaker batch transform."
        )
    raise ValueError("The embedded AWS does not support transform jobs.")


def _component(request: dict[str, Any]) -> Fleet:
    record = find(COMPONENT, request["InferenceComponentName"], get_region())
    (fleet,) = (fleet for fleet in fleets() if fleet.record is record)
    return fleet


def _status(copies: list[Fleet]) -> str:
    return "Updating" if any(fleet.current != fleet.desired for fleet in copies) else "InService"


def _times(copies: list[Fleet]) -> dict[str, float]:
    since = min((fleet.state["since"] for fleet in copies), default=0.0)
    return {"CreationTime": since, "LastModifiedTime": since}


def _arn(resource: str, name: str) -> str:
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{resource}/{name}"


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    content_type = {"content-type": "application/x-amz-json-1.1"}
    return status, content_type | dict(headers or {}), json.dumps(body).encode()
