"""JSON bodies without a model in botocore: validated by pydantic, with Bedrock's messages."""

from __future__ import annotations

from typing import Any, Self

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

from local.models.aws import invalid


class Body(BaseModel):
    """A request body: no conversions, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Parse and validate. Raises `ServiceError` with every invalid key."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise invalid(_report(error)) from None

    @classmethod
    def of(cls, value: Any) -> Self:
        """Validate a parsed body. Raises `ServiceError` with every invalid key."""
        return cls.read(pydantic_core.to_json(value))


def read_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises `ServiceError` for anything else."""
    try:
        value = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise invalid(f"Malformed input request: {error}") from None
    if not isinstance(value, dict):
        raise invalid("Malformed input request: the body must be a JSON object")
    return value


def _report(error: ValidationError) -> str:
    faults = (
        f"extraneous key [{fault['loc'][-1]}] is not permitted"
        if fault["type"] == "extra_forbidden"
        else f"#/{'/'.join(map(str, fault['loc']))}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )
    return (
        f"Malformed input request: {'; '.join(faults)}, please reformat your input and try again."
    )
