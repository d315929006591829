"""The same deployment at other service levels, to compare their footprints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sustainability.deployment.durations import format_duration
from sustainability.deployment.schema import Availability, Deployment, ServiceLevel
from sustainability.errors import UserError
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.plan.serving import plan_serving

_DEFERRED = timedelta(hours=6)


def service_levels(deployment: Deployment) -> list[tuple[str, Footprint | str]]:
    """Return the name of each level with its footprint, or the reason why it cannot be met.

    The levels are the declared one with each availability and, for interactive answers, a deadline
    of six hours.
    """
    return [(name, _footprint(deployment, level)) for name, level in _levels(deployment)]


def _levels(deployment: Deployment) -> Iterator[tuple[str, ServiceLevel]]:
    declared = deployment.service_level
    promise = (
        f"p95 {format_duration(declared.latency_p95)}"
        if declared.latency_p95
        else f"within {format_duration(declared.deadline)}"
        if declared.deadline
        else ""
    )
    for availability in Availability:
        name = f"{promise}, {availability.value.replace('_', ' ')}"
        if availability is declared.availability:
            name += " (declared)"
        yield name, declared.model_copy(update={"availability": availability})
    if declared.latency_p95:
        relaxed = {"latency_p95": None, "deadline": _DEFERRED}
        yield (
            f"within {format_duration(_DEFERRED)}, best effort",
            declared.model_copy(update={**relaxed, "availability": Availability.BEST_EFFORT}),
        )


def _footprint(deployment: Deployment, level: ServiceLevel) -> Footprint | str:
    promised = deployment.model_copy(update={"service_level": level})
    try:
        return footprint(promised, plan_serving(promised))
    except UserError as error:
        return str(error)
