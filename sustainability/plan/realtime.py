"""A real-time endpoint that never sleeps: copies ahead for what is sure, tracking for the rest."""

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


def in_advance(situation: Situation, capacity: Capacity) -> InAdvance:
    """Return the declared week, for as many plans as are made of it."""
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
    """Return the plan of an endpoint on ``host`` that never sleeps, because of ``why``.

    Raises
    ------
    ServiceLevelError
        If the service level cannot be kept at the week's peak, or not with ``max_instances``.
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
    target = capacity.rate_of(needed, level.attainment) / total
    slow = capacity.model.decode.high / capacity.model.decode.mid
    max_copies = min(most, spare.added_to(math.ceil(needed * slow)))
    floor = [spare.added_to(copies) for copies in week.copies(level.attainment, needed)]
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
            f"At the week's peak of {peak:,.0f} questions/h, {copies_of(needed)} can keep this for "
            f"{1 - capacity.late_share(needed, peak / 3600):.2%} of the answers; "
            f"{level.attainment:.3g} is asked.",
            spare.sentence(needed),
            f"In advance there are {_span(min(floor), max(floor))}, started "
            f"{situation.seconds('cold_start') / 60:.0f} minutes ahead: as few as keep "
            f"{level.attainment:.3g} of the week's answers in time, each where it saves most, when "
            "each hour has a quarter of an hour at its peak.",
            f"Tracking adds copies when each is asked more than {target * 60:.1f} questions a "
            f"minute: {copies_of(needed)} keep {level.attainment:.3g} in time up to "
            f"{target * total * 3600:,.0f}/h, which {copies_of(total)} share.",
            f"At most {copies_of(max_copies)}: those of the peak, if tokens take the "
            f"{capacity.model.decode.high * 1000:.0f} ms at the slow end of estimates instead of "
            f"{capacity.model.decode.mid * 1000:.0f} ms, and no more than inference.max_instances.",
        ),
        **shared_fields(situation, capacity, target=target),
    )


class _Spare:
    """The copies that the availability asks for beyond those that the service level needs."""

    def __init__(self, situation: Situation, host: Host) -> None:
        self._availability = situation.deployment.service_level.availability
        self._bedrock = situation.bedrock
        self._zones = int(situation.facts("serving/zones", "zones").mid)
        self._host = host

    def added_to(self, copies: int) -> int:
        """Return ``copies`` with their spare."""
        if self._availability is Availability.BEST_EFFORT or self._bedrock:
            return copies
        instances = math.ceil(copies / self._host.copies)
        if self._availability is Availability.HIGH:
            instances += math.ceil(instances / (self._zones - 1))
        return instances * self._host.copies

    def sentence(self, needed: int) -> str:
        """Return why there are so many."""
        total = self.added_to(needed)
        if self._bedrock:
            return "No spare copies: Bedrock answers what the endpoint cannot."
        if self._availability is Availability.BEST_EFFORT:
            return "No spare copies: after a failure the service waits for a replacement."
        if self._availability is Availability.STANDARD:
            return (
                f"{total - needed} spare: as many as fill the last {self._host.instance_type}, "
                "where they idle at no cost."
            )
        lost = math.ceil(total / self._host.copies / self._zones) * self._host.copies
        return (
            f"{total - needed} spare: with instances over {self._zones} zones, one zone takes "
            f"{lost} of {copies_of(total)} along, and {total - lost} stay for the {needed} needed."
        )


def _span(least: int, most: int) -> str:
    return copies_of(least) if least == most else f"{least} to {copies_of(most)}"
