"""The plan of an always-on real-time endpoint: scheduled copies, and target tracking for more."""

from __future__ import annotations

import math

from sustainability.deployment.schema import Availability
from sustainability.offers.target_tracking import IN_SECONDS
from sustainability.plan.advance import InAdvance
from sustainability.plan.capacity import Capacity
from sustainability.plan.endpoint_targets import (
    alarm_thresholds,
    copies_of,
    copy_sentence,
    latency_sentence,
    require_copies,
    shared_fields,
)
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.situation import Host, Situation
from sustainability.plan.week import instance_hours, scheduled_actions

_LATE_PLANNED = 0.5
"""Share of the late answers that the service level allows with which schedule and target are
planned. The rest is for weeks that differ from the declared one, and for the formulas, which count
too few late answers where lengths vary most. docs/serving.md says where half was enough."""


def planned_attainment(attainment: float) -> float:
    """Return the share of answers in time for which schedule and target are planned."""
    return 1 - _LATE_PLANNED * (1 - attainment)


def in_advance(situation: Situation, capacity: Capacity) -> InAdvance:
    """Return the declared week with its scheduled copies, shared by all plans that are compared."""
    overhead = situation.seconds("cold_start") + IN_SECONDS + situation.seconds("release")
    return InAdvance(
        capacity, situation.week, cold_start=situation.seconds("cold_start"), overhead=overhead
    )


def realtime_plan(
    situation: Situation,
    capacity: Capacity,
    week: InAdvance,
    host: Host,
    *,
    why: str,
    max_instances: int,
) -> ServingPlan:
    """Return the plan of an always-on endpoint on ``host``; ``why`` is its first reason.

    Raises
    ------
    ServiceLevelError
        If the service level cannot be met at the peak of the week with ``max_instances``.
    """
    level = situation.deployment.service_level
    peak = max(rate.peak_per_hour for rate in situation.week)
    spare, most = _Spare(situation, host), max_instances * host.copies
    needed = require_copies(
        situation,
        capacity,
        host,
        peak / 3600,
        with_spare=spare.added_to,
        max_instances=math.inf if situation.bedrock else max_instances,
    )
    needed = min(needed, most)
    total = spare.added_to(needed)
    planned = planned_attainment(level.attainment)
    target = capacity.rate_of(needed, planned) / total
    slow = capacity.model.decode.high / capacity.model.decode.mid
    max_copies = min(most, spare.added_to(math.ceil(needed * slow)))
    floor = [spare.added_to(copies) for copies in week.copies(planned, needed)]
    utilization = week.questions / (sum(floor) * capacity.full_rate * 3600)
    return ServingPlan(
        mode=Mode.REALTIME,
        instance_type=host.instance_type,
        model=situation.model,
        inference_components=situation.inference_components,
        copies_per_instance=host.copies,
        min_copies=min(floor),
        max_copies=max_copies,
        schedule=scheduled_actions(floor, max_copies),
        expected_instance_hours=instance_hours(
            [math.ceil(copies / host.copies) for copies in floor], overhead_s=week.overhead
        ),
        expected_utilization=utilization,
        expected_attainment=week.attained(floor),
        bedrock_share=0.0,
        alarms=alarm_thresholds(situation, capacity, utilization=utilization),
        reasons=(
            why,
            copy_sentence(capacity),
            latency_sentence(situation, capacity),
            f"At the peak of the week, {peak:,.0f} questions/h, {copies_of(needed)} can answer "
            f"{1 - capacity.late_share(needed, peak / 3600):.2%} in time. The service level asks "
            f"for {level.attainment * 100:.4g} %.",
            spare.sentence(needed),
            f"A schedule keeps {_span(min(floor), max(floor))} running and starts each "
            f"{situation.seconds('cold_start') / 60:.0f} minutes early. This is the lowest number "
            f"with {level.attainment * 100:.4g} % of the week's answers in time, if the peak of "
            "each hour lasts 15 minutes.",
            f"Target tracking adds copies when a copy gets more than {target * 60:.1f} questions "
            f"per minute. At this target, {copies_of(total)} share "
            f"{target * total * 3600:,.0f} questions/h; {copies_of(needed)} alone could answer "
            f"{level.attainment * 100:.4g} % of them in time.",
            f"At most {copies_of(max_copies)}, and never more than inference.max_instances: enough "
            f"for the peak if a token needs {capacity.model.decode.high * 1000:.0f} ms, the slow "
            f"end of the estimate, instead of {capacity.model.decode.mid * 1000:.0f} ms.",
        ),
        **shared_fields(situation, capacity, target=target),
    )


class _Spare:
    """The copies that ``service_level.availability`` adds to those that the latency needs."""

    def __init__(self, situation: Situation, host: Host) -> None:
        self._availability = situation.deployment.service_level.availability
        self._bedrock = situation.bedrock
        self._zones = int(situation.facts("serving/zones", "zones").mid)
        self._host = host

    def added_to(self, copies: int) -> int:
        """Return ``copies`` plus the spare copies."""
        if self._availability is Availability.BEST_EFFORT or self._bedrock:
            return copies
        instances = math.ceil(copies / self._host.copies)
        if self._availability is Availability.HIGH:
            instances += math.ceil(instances / (self._zones - 1))
        return instances * self._host.copies

    def sentence(self, needed: int) -> str:
        """Return the reason for the number of spare copies."""
        total = self.added_to(needed)
        if self._bedrock:
            return "No spare copies: Bedrock answers what the endpoint cannot."
        if self._availability is Availability.BEST_EFFORT:
            return "No spare copies: after a failure, users wait for a replacement."
        if self._availability is Availability.STANDARD:
            return (
                f"{total - needed} spare: they fill the last {self._host.instance_type} at no "
                "extra cost."
            )
        lost = math.ceil(total / self._host.copies / self._zones) * self._host.copies
        return (
            f"{total - needed} spare: instances are spread over {self._zones} Availability Zones. "
            f"If one zone fails, {lost} of {copies_of(total)} are lost and {total - lost} remain; "
            f"{needed} are needed."
        )


def _span(least: int, most: int) -> str:
    return copies_of(least) if least == most else f"{least} to {copies_of(most)}"
