"""The serving plan: from a service level and traffic to how answers are served, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How a deployment's questions are answered."""

    BEDROCK = "bedrock"
    BRIDGED = "bridged"
    REALTIME = "realtime"
    ASYNC = "async"
    BATCH = "batch"


@dataclass(frozen=True)
class ServingPlan:
    """How a deployment is served. Built by :func:`plan_serving`, never by hand."""

    mode: Mode
    instance_type: str | None
    """``ml.inf2.…``; ``None`` when no instance is ever worth it."""
    expected_instance_hours: float
    """Instance-hours in a month of 730 hours."""
    expected_utilization: float
    """Share of the decode slots of awake instances that is busy, 0 to 1."""
    bedrock_share: float
    """Share of generated answers that Bedrock gives, 0 to 1."""
