"""What all real-time endpoints share: targets, thresholds, reasons, and errors for unmet limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypedDict

from sustainability.plan.capacity import Capacity
from sustainability.plan.serving_plan import AlarmThresholds, DemandThreshold, ServiceLevelError
from sustainability.plan.situation import Host, Situation

SCALE_OUT_COOLDOWN_S = 60
SCALE_IN_COOLDOWN_S = 300
HYSTERESIS = 0.2
"""Share above break-even at which an endpoint starts, and below break-even at which it stops."""
_DEMAND_PERIOD_S = 300
_WAKE_DATAPOINTS = 2
_SLEEP_DATAPOINTS = 3
_BEYOND_CHANCE = 2
"""The concurrency target is this many times the longest queue that meets the service level.

Random arrivals never make so long a queue.
"""
_WASTE = 0.5
"""Share of the expected utilization below which copies above the minimum count as waste."""
_ANY_SCALE = 2000
"""More copies than anyone runs; the search for a number of copies stops here."""
_HARDLY_ANY = 1e-6
"""A rate per second at which no question meets another."""
_LONGEST = 20
"""The search for a latency that can be met stops at this many times the stated one."""


class Shared(TypedDict):
    """The fields of a plan that are set in the same way for every real-time endpoint."""

    target_invocations_per_minute: float
    target_concurrency: float
    scale_out_cooldown_s: int
    scale_in_cooldown_s: int
    patience_s: float


def shared_fields(situation: Situation, capacity: Capacity, *, target: float) -> Shared:
    """Return the fields that follow from ``target``, in answers per second and copy."""
    queue = max(0.0, capacity.slack) * capacity.full_rate
    return Shared(
        target_invocations_per_minute=target * 60,
        target_concurrency=_BEYOND_CHANCE * (capacity.model.slots + queue),
        scale_out_cooldown_s=SCALE_OUT_COOLDOWN_S,
        scale_in_cooldown_s=SCALE_IN_COOLDOWN_S,
        patience_s=situation.patience_s,
    )


def wake_and_sleep(worth: float) -> tuple[DemandThreshold, DemandThreshold]:
    """Return the start and stop thresholds for break-even at ``worth`` questions per hour."""
    per_period = worth * _DEMAND_PERIOD_S / 3600
    return (
        DemandThreshold(
            questions_per_period=per_period * (1 + HYSTERESIS),
            period_s=_DEMAND_PERIOD_S,
            datapoints=_WAKE_DATAPOINTS,
        ),
        DemandThreshold(
            questions_per_period=per_period * (1 - HYSTERESIS),
            period_s=_DEMAND_PERIOD_S,
            datapoints=_SLEEP_DATAPOINTS,
        ),
    )


def alarm_thresholds(
    situation: Situation,
    capacity: Capacity,
    *,
    utilization: float,
    demand_floor: DemandThreshold | None = None,
) -> AlarmThresholds:
    """Return the alarm thresholds of a real-time endpoint."""
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    return AlarmThresholds(
        latency_p95_s=latency.total_seconds(),
        endpoint_latency_p95_s=capacity.limit,
        utilization_floor=_WASTE * utilization,
        demand_floor=demand_floor,
    )


def copy_sentence(capacity: Capacity) -> str:
    """Return a sentence on the speed of a copy, with the calculation."""
    model, mean = capacity.model, capacity.mean
    return (
        f"A copy of {model.name} writes {model.slots} answers at a time and reads one prompt at a "
        f"time. Reading a prompt needs {mean.reading:.2f} s, writing an answer {mean.writing:.2f} "
        f"s. So a copy completes at most {model.slots} / ({mean.writing:.2f} + {model.slots} x "
        f"{mean.reading:.2f}) = {capacity.full_rate:.2f} answers per second, or "
        f"{capacity.full_rate * 3600:,.0f} per hour."
    )


def latency_sentence(situation: Situation, capacity: Capacity) -> str:
    """Return a sentence on how the latency is divided, with the calculation."""
    before, long = situation.seconds("before_generation"), capacity.long
    bound = ""
    if capacity.limit < situation.promised_s:
        bound = f"The answer function can wait {capacity.limit:.3g} s for the endpoint. "
    return (
        f"{bound}Of the {capacity.limit + before:.4g} s, the search needs {before:g} s. A prompt "
        f"and an answer of the 95th percentile need {long.reading:.2f} s + {long.writing:.2f} s. "
        f"The other {capacity.slack:.2f} s are for waiting: for a slot, and for other prompts."
    )


def require_copies(
    situation: Situation,
    capacity: Capacity,
    host: Host,
    rate: float,
    *,
    with_spare: Callable[[int], int],
    max_instances: float,
) -> int:
    """Return the copies, without spares, that meet the service level at ``rate`` per second.

    Raises
    ------
    ServiceLevelError
        If no number of copies does, or if it needs more than ``max_instances``. Names the lowest
        latency that can be met.
    """
    attainment = situation.deployment.service_level.attainment

    def copies(other: Capacity) -> int | None:
        return other.copies_for(rate, attainment, _ANY_SCALE)

    def instances(other: Capacity) -> float:
        found = copies(other)
        return math.inf if found is None else math.ceil(with_spare(found) / host.copies)

    def suffices(other: Capacity) -> bool:
        return copies(other) is not None and instances(other) <= max_instances

    found, needed = copies(capacity), instances(capacity)
    if found is not None and needed <= max_instances:
        return found
    if found is None and capacity.late_share(1, _HARDLY_ANY) <= 1 - attainment:
        least = math.ceil(rate / capacity.full_rate / host.copies)
        raise ServiceLevelError(
            f"the peak of {rate * 3600:,.0f} questions/h needs more than {least:,} "
            f"{host.instance_type} with {capacity.model.name}, and inference.max_instances is "
            f"{situation.deployment.inference.max_instances}: lower traffic.*.peak_per_hour, or "
            "choose a faster inference.model"
        )
    if found is None:
        limit = (
            f"a prompt and an answer of the 95th percentile need {capacity.long.total:.1f} s on an "
            f"idle copy, after {situation.seconds('before_generation'):g} s for the search"
        )
        otherwise = "choose a faster inference.model"
    else:
        limit = (
            f"the peak of {rate * 3600:,.0f} questions/h needs {needed:g} {host.instance_type}, "
            f"including spares, and inference.max_instances is {max_instances:g}"
        )
        otherwise = f"raise inference.max_instances to {needed:g}"
    raise _unmet(
        situation,
        capacity,
        limit,
        suffices,
        otherwise=otherwise,
    )


def copies_of(count: int) -> str:
    """Return a number of copies in words."""
    return f"{count} copy" if count == 1 else f"{count} copies"


def _unmet(
    situation: Situation,
    capacity: Capacity,
    limit: str,
    suffices: Callable[[Capacity], bool],
    *,
    otherwise: str,
) -> ServiceLevelError:
    asked = capacity.limit + situation.seconds("before_generation")
    low, high = asked, asked * _LONGEST
    model = capacity.model.name
    text = f"service_level.latency_p95 of {asked:g}s cannot be met with {model}: {limit}"
    if not suffices(situation.capacity(high)):
        return ServiceLevelError(f"{text}. A longer latency does not help: {otherwise}")
    while high - low > 0.05:
        middle = (low + high) / 2
        if suffices(situation.capacity(middle)):
            high = middle
        else:
            low = middle
    nearest = math.ceil(high * 10) / 10
    return ServiceLevelError(
        f"{text}. The lowest latency that can be met is {nearest:g}s; or {otherwise}"
    )
