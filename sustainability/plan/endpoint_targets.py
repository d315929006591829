"""What real-time endpoints have in common: targets, thresholds, sentences, and limits not met."""

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
"""An endpoint wakes so far above the break-even rate, and sleeps so far below it."""
_DEMAND_PERIOD_S = 300
_WAKE_DATAPOINTS = 2
_SLEEP_DATAPOINTS = 3
_BEYOND_CHANCE = 2
"""Factor between the longest queue that keeps the service level and one that chance never makes."""
_WASTE = 0.5
"""Share of the expected utilization below which copies above the minimum count as waste."""
_ANY_SCALE = 2000
"""Copies, more than anybody would run."""
_LONGEST = 20
"""Times the asked latency, up to which a latency that can be met is looked for."""


class Shared(TypedDict):
    """The fields of a plan that every real-time endpoint fills the same way."""

    target_invocations_per_minute: float
    target_concurrency: float
    scale_out_cooldown_s: int
    scale_in_cooldown_s: int
    patience_s: float


def shared_fields(situation: Situation, capacity: Capacity, *, target: float) -> Shared:
    """Return the fields that follow from ``target``, the answers a copy shall give in a second."""
    queue = max(0.0, capacity.slack) * capacity.full_rate
    return Shared(
        target_invocations_per_minute=target * 60,
        target_concurrency=_BEYOND_CHANCE * (capacity.model.slots + queue),
        scale_out_cooldown_s=SCALE_OUT_COOLDOWN_S,
        scale_in_cooldown_s=SCALE_IN_COOLDOWN_S,
        patience_s=situation.patience_s,
    )


def wake_and_sleep(worth: float) -> tuple[DemandThreshold, DemandThreshold]:
    """Return the thresholds about the break-even rate ``worth``, in questions per hour."""
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
    """Return what the monitors of a real-time endpoint watch."""
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    return AlarmThresholds(
        latency_p95_s=latency.total_seconds(),
        endpoint_latency_p95_s=capacity.limit,
        utilization_floor=_WASTE * utilization,
        demand_floor=demand_floor,
    )


def copy_sentence(capacity: Capacity) -> str:
    """Return how fast a copy is, with the sum to check it by."""
    model, mean = capacity.model, capacity.mean
    return (
        f"A copy of {model.name} writes {model.slots} answers at a time and reads one prompt at a "
        f"time: at {mean.reading:.2f} s a prompt, {mean.writing:.2f} s an answer, it completes at "
        f"best {model.slots} / ({mean.writing:.2f} + {model.slots} x {mean.reading:.2f}) = "
        f"{capacity.full_rate:.2f} a second, {capacity.full_rate * 3600:,.0f}/h."
    )


def latency_sentence(situation: Situation, capacity: Capacity) -> str:
    """Return what the latency leaves for waiting, with the sum to check it by."""
    before, long = situation.seconds("before_generation"), capacity.long
    bound = ""
    if capacity.limit < situation.promised_s:
        bound = f"The answer function can wait {capacity.limit:.3g} s for the endpoint. "
    return (
        f"{bound}Of {capacity.limit + before:.4g} s, {before:g} s go to the search and "
        f"{long.reading:.2f} s + {long.writing:.2f} s to a 95th-percentile prompt and answer; "
        f"{capacity.slack:.2f} s are left to wait for a slot and for the prompts of others."
    )


def require_carrying(situation: Situation, capacity: Capacity, host: Host, worth: float) -> None:
    """Refuse a latency within which an instance carries too little to be worth it.

    Raises
    ------
    ServiceLevelError
        Names what it carries, what it would have to, and the nearest latency.
    """
    attainment = situation.deployment.service_level.attainment
    least = worth / 3600

    def suffices(other: Capacity) -> bool:
        return other.rate_of(host.copies, attainment) >= least

    if suffices(capacity):
        return
    carried = capacity.rate_of(host.copies, attainment) * 3600
    raise _unmet(
        situation,
        capacity,
        f"within it {host.instance_type} answers {carried:,.0f} questions/h, and it is worth being "
        f"awake from {least * 3600:,.0f}/h on",
        suffices,
        otherwise="leave inference.instance_types empty to be answered by Bedrock alone",
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
    """Return the copies, spare not included, that keep the service level at ``rate`` per second.

    Raises
    ------
    ServiceLevelError
        If no number does, or if it takes more than ``max_instances``; names the nearest latency.
    """
    attainment = situation.deployment.service_level.attainment

    def copies(other: Capacity) -> int | None:
        return other.copies_for(rate, attainment, _ANY_SCALE)

    def instances(other: Capacity) -> float:
        found = copies(other)
        return math.inf if found is None else math.ceil(with_spare(found) / host.copies)

    found, needed = copies(capacity), instances(capacity)
    if found is not None and needed <= max_instances:
        return found
    if found is None:
        limit = (
            f"prompt and answer of the 95th percentile take {capacity.long.total:.1f} s on an idle "
            f"copy, after {situation.seconds('before_generation'):g} s for the search"
        )
        otherwise = "choose a faster inference.model"
    else:
        limit = (
            f"the peak of {rate * 3600:,.0f} questions/h takes {needed:g} {host.instance_type}, "
            f"spare included, and inference.max_instances is {max_instances:g}"
        )
        otherwise = f"raise inference.max_instances to {needed:g}"
    raise _unmet(
        situation,
        capacity,
        limit,
        lambda other: instances(other) <= max_instances,
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
        return ServiceLevelError(f"{text}; no latency helps: {otherwise}")
    while high - low > 0.05:
        middle = (low + high) / 2
        if suffices(situation.capacity(middle)):
            high = middle
        else:
            low = middle
    nearest = math.ceil(high * 10) / 10
    return ServiceLevelError(f"{text}. The nearest that can be met is {nearest:g}s; or {otherwise}")
