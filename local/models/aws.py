"""botocore's models of the services' requests and errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

_SERVICES = ("bedrock-runtime", "sagemaker-runtime", "s3vectors")


class ServiceError(Exception):
    """A service error: its name in the model, its message, and its other members."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members

    @property
    def status(self) -> int:
        """HTTP status code."""
        return error_statuses()[self.code]


def invalid(message: str) -> ServiceError:
    """Return Bedrock's error for an invalid request."""
    return ServiceError("ValidationException", message)


@cache
def error_statuses() -> dict[str, int]:
    """HTTP status of each modelled error; 400 if the model has no status."""
    statuses = {"UnknownOperationException": 404}
    for service in _SERVICES:
        for shape in _service(service).error_shapes:
            if "error" in shape.metadata:  # the others occur only inside of streams
                statuses[shape.name] = shape.metadata["error"]["httpStatusCode"]
    return statuses


def check_converse(request: dict[str, Any]) -> None:
    """Validate a request by the model of Converse.

    Raises
    ------
    ServiceError
        ValidationException that names each invalid member.
    """
    check_request("bedrock-runtime", "Converse", request)


def check_request(service: str, operation: str, request: dict[str, Any]) -> None:
    """Validate a request by the model of an operation.

    Raises
    ------
    ServiceError
        ValidationException that names each invalid member.
    """
    shape = _service(service).operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    if faults := list(_beyond_limits(request, shape, "")):
        raise invalid("; ".join(faults))


def _beyond_limits(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Check what botocore leaves to the service: enumerations, maxima, and bool instead of int."""
    limits = shape.metadata
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        for name, member in shape.members.items():
            if name in value:
                yield from _beyond_limits(value[name], member, f"{path}.{name}".lstrip("."))
    elif shape.type_name == "list":
        if len(value) > limits.get("max", len(value)):
            yield f"{path}: at most {limits['max']} items"
        for index, item in enumerate(value):
            yield from _beyond_limits(item, shape.member, f"{path}[{index}]")
    elif shape.type_name == "string":
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{path}: must be one of {', '.join(limits['enum'])}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        if isinstance(value, bool):
            yield f"{path}: must be a number"
        elif value > limits.get("max", value):
            yield f"{path}: must be at most {limits['max']}"


@cache
def _service(name: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(name)
