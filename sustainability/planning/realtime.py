"""A real-time endpoint that never sleeps: copies ahead for what is sure, tracking for the rest."""

from __future__ import annotations

import math
from functools import cache

from sustainability.capacity import Capacity
from sustainability.deployment import Availability
from sustainability.planning.endpoint import (
    SCALE_IN_S,
    alarm_thresholds,
    copies_of,
    copy_sentence,
    latency_sentence,
    require_copies,
    shared_fields,
)
from sustainability.planning.situation import Host, Situation
from sustainability.planning.week import (
    PER_HOUR,
    QUARTER_S,
    instance_hours,
    quarters,
    scheduled_actions,
    started_ahead,
    without_dips,
)
from sustainability.serving import Mode, ServingPlan

SCHEDULED_SHARE = 0.8
"""Of the declared rates: what has its copies in advance. The rest gets them as it comes, because a
copy that waits for demand that stays away is waste. Chosen with ``benchmarks/simulator.py``."""


def realtime_plan(
    situation: Situation, capacity: Capacity, host: Host, why: str, *, max_instances: int
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
    target = capacity.rate_of(needed, level.attainment) / spare.added_to(needed)
    slow = capacity.model.decode.high / capacity.model.decode.mid
    max_copies = min(most, spare.added_to(math.ceil(needed * slow)))

    @cache
    def enough(per_hour: float) -> int:
        return capacity.copies_for(per_hour / 3600, level.attainment, needed) or needed

    def sure(mean: float, peak: float) -> int:
        keeping_up = math.ceil(SCHEDULED_SHARE * peak / 3600 / capacity.full_rate)
        return spare.added_to(max(enough(SCHEDULED_SHARE * mean), keeping_up))

    means = quarters([rate.mean_per_hour for rate in situation.week])
    cold_start, release = situation.seconds("cold_start"), situation.seconds("release")
    overhead = cold_start + SCALE_IN_S + release
    floor = without_dips(
        started_ahead(
            [
                sure(mean, situation.week[number // PER_HOUR].peak_per_hour)
                for number, mean in enumerate(means)
            ],
            math.ceil(cold_start / QUARTER_S),
        ),
        int(overhead / QUARTER_S),
    )
    copies = [
        max(least, spare.added_to(enough(mean))) for least, mean in zip(floor, means, strict=True)
    ]
    full = sum(copies) * capacity.full_rate * 3600
    utilization = sum(means) / full
    on_time = sum(
        mean * (1 - capacity.late_share(count, mean / 3600))
        for mean, count in zip(means, copies, strict=True)
    )
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
            [math.ceil(count / host.copies) for count in copies], overhead_s=overhead
        ),
        expected_utilization=utilization,
        expected_attainment=on_time / sum(means) if sum(means) else 1.0,
        bedrock_share=0.0,
        alarms=alarm_thresholds(situation, capacity, utilization=utilization),
        reasons=(
            why,
            copy_sentence(capacity),
            latency_sentence(situation, capacity),
            f"At the week's peak of {peak:,.0f} questions/h, {copies_of(needed)} can keep this for "
            f"{1 - capacity.late_share(needed, peak / 3600):.2%} of the answers, "
            f"{level.attainment:.3g} is asked; each may take {target * 60:.1f}/min, the target.",
            spare.sentence(needed),
            f"In advance stand {_span(min(floor), max(floor))}, for {SCHEDULED_SHARE:.0%} of the "
            f"declared rates, {cold_start / 60:.0f} minutes ahead; tracking adds the others.",
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
