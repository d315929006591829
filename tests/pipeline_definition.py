"""A pipeline definition as the service reads it: its steps, and what each asks for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from local.models.aws import check_request

CREATES = {
    "Training": ("CreateTrainingJob", "TrainingJobName"),
    "Processing": ("CreateProcessingJob", "ProcessingJobName"),
    "RegisterModel": ("CreateModelPackage", None),
}


def steps(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every step, also those behind conditions."""
    pending = list(definition["Steps"])
    while pending:
        step = pending.pop(0)
        yield step
        if step["Type"] == "Condition":
            pending += step["Arguments"]["IfSteps"] + step["Arguments"]["ElseSteps"]


def resolved(value: Any) -> Any:
    """Put a word where the service puts a value while the pipeline runs."""
    if isinstance(value, dict):
        if value.keys() <= {"Get", "Std:Join", "Std:JsonGet"}:
            return "s3://run/value"
        return {key: resolved(item) for key, item in value.items()}
    return [resolved(item) for item in value] if isinstance(value, list) else value


def check(step: dict[str, Any]) -> None:
    operation, name = CREATES[step["Type"]]
    request = resolved(copy.deepcopy(step["Arguments"])) | ({name: "x"} if name else {})
    check_request("sagemaker", operation, request)
