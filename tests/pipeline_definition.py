"""A pipeline definition as the service reads it: its steps, and what each asks for."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.models.aws import check_request

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "training" / "pipeline.json").read_text()
IMAGE = "763104351884.dkr.ecr.us-west-2.amazonaws.com/some-image:1"
VALUES = {
    "CpuInstanceType": "ml.m7i.large",
    "TuneInstanceType": "ml.trn1.2xlarge",
    "CompileInstanceType": "ml.trn1.2xlarge",
    "ServingInstanceType": "ml.inf2.xlarge",
    "CpuImage": IMAGE,
    "TuneImage": IMAGE,
    "ServingImage": IMAGE,
    "Bucket": "customization-data",
}


def filled(**values: str) -> dict[str, Any]:
    """Return the definition as CloudFormation fills it in; what is not named becomes a word."""
    known = VALUES | values
    role = "arn:aws:iam::123456789012:role/step"
    text = re.sub(
        r"\$\{(\w+)\}", lambda name: known.get(name[1], role if "Role" in name[1] else "x"), TEXT
    )
    definition: dict[str, Any] = json.loads(text)
    return definition


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
