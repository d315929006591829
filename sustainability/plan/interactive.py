"""Plans for answers that a user waits for: Bedrock, and endpoints with or without scale to zero."""

from __future__ import annotations

import math
import sys

from sustainability.deployment.schema import Objective, Rate
from sustainability.plan.capacity import Capacity
from sustainability.plan.endpoint_targets import (
    HYSTERESIS,
    alarm_thresholds,
    copies_of,
    copy_sentence,
    latency_sentence,
    require_carrying,
    shared_fields,
    wake_and_sleep,
)
from sustainability.plan.realtime import in_advance, realtime_plan
from sustainability.plan.serving_plan import AlarmThresholds, Mode, ServiceLevelError, ServingPlan
from sustainability.plan.situation import Host, Situation
from sustainability.plan.week import PER_HOUR, instance_hours

_LESS = {
    Objective.ENERGY: "uses less energy",
    Objective.CARBON: "causes less carbon",
    Objective.COST: "costs less",
}
"""Words for a comparison, by what the deployment optimizes."""


def plan_interactive(situation: Situation) -> ServingPlan:
    """Return the plan for ``service_level.latency_p95``, which 95 of 100 answers must meet.

    The mode depends on demand and on the footprint of Bedrock, never on the latency. So a stricter
    latency can only add copies.

    Raises
    ------
    ServiceLevelError
        If the model cannot meet the latency. Names the lowest latency that it can meet.
    """
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    capacity = situation.capacity(latency)
    hosts = situation.hosts(inference_components=situation.inference_components)
    if not situation.bedrock:
        return _on_own_instances(situation, capacity, hosts)
    if not hosts:
        return bedrock_plan(
            situation, "SageMaker offers none of inference.instance_types in this Region."
        )
    points = {host: situation.break_even(host) for host in hosts}
    host = min(hosts, key=lambda host: points[host].mid)
    point, generator = points[host], situation.deployment.answers.generator
    objective = situation.deployment.inference.optimize
    if not point.worth_it:
        reason = (
            f"Per answer, {generator} on Bedrock {_LESS[objective]} than {host.instance_type}, "
            f"even at its full load of {host.copies * capacity.full_rate * 3600:,.0f} answers/h."
        )
        if math.isfinite(point.low):
            reason += (
                " With the estimates that favor the instance most, break-even would be at "
                f"{point.low:,.0f} questions/h."
            )
        return bedrock_plan(situation, reason)
    means = [rate.mean_per_hour for rate in situation.week]
    even = (
        f"Break-even is at {point.mid:,.0f} questions/h: above it, {host.instance_type} "
        f"{_LESS[objective]} than {generator} on Bedrock."
    )
    if max(means) < point.mid * (1 + HYSTERESIS):
        return bedrock_plan(
            situation,
            f"{even} The busiest hour of the week has {max(means):,.0f} questions on average.",
        )
    usual = sum(means) / len(means)
    if not situation.inference_components and usual < point.mid:
        return bedrock_plan(
            situation,
            f"{even} The mean hour has {usual:,.0f} questions. The Region has no inference "
            "components, so no endpoint can scale to zero.",
        )
    require_carrying(situation, capacity, host, point.mid)
    if min(means) >= point.mid * (1 - HYSTERESIS):
        why = f"{even} Even the calmest hour has {min(means):,.0f} questions."
    elif not situation.inference_components:
        why = (
            f"{even} The mean hour has {usual:,.0f} questions. No endpoint of the Region can scale "
            "to zero."
        )
    else:
        return _bridged_plan(situation, capacity, host, point.mid, even)
    most = situation.deployment.inference.max_instances
    week = in_advance(situation, capacity)
    return realtime_plan(situation, capacity, week, host, why=why, max_instances=most)


def bedrock_plan(situation: Situation, why: str) -> ServingPlan:
    """Return the plan that Bedrock answers all questions, because of ``why``."""
    latency = situation.deployment.service_level.latency_p95
    return ServingPlan(
        mode=Mode.BEDROCK,
        instance_type=None,
        expected_instance_hours=0.0,
        expected_utilization=0.0,
        bedrock_share=1.0,
        expected_attainment=None,
        alarms=AlarmThresholds(latency_p95_s=latency.total_seconds() if latency else None),
        reasons=(why, _bedrock_latency(situation)),
    )


def _bedrock_latency(situation: Situation) -> str:
    tokens = situation.deployment.answer_tokens.p95
    before, first = situation.seconds("before_generation"), situation.seconds("bedrock/first_token")
    each = situation.bedrock_token_s
    return (
        f"AWS publishes no latency for Bedrock. An answer of {tokens:,.0f} tokens needs about "
        f"{before + first + each * tokens:.1f} s: {before:g} s for the search, an assumed "
        f"{first:g} s to the first token and {each * 1000:g} ms per token. An alarm watches the "
        "real latency."
    )


def _on_own_instances(
    situation: Situation, capacity: Capacity, hosts: tuple[Host, ...]
) -> ServingPlan:
    """Return the plan on the host with the lowest footprint, chosen as if instances had no limit.

    The plan itself keeps ``inference.max_instances``.
    """
    why = (
        "inference.bedrock is never, and users cannot wait for a start: the endpoint never scales "
        "to zero."
    )

    week = in_advance(situation, capacity)

    def plan(host: Host, max_instances: int) -> ServingPlan:
        return realtime_plan(situation, capacity, week, host, why=why, max_instances=max_instances)

    def takes(host: Host) -> float:
        try:
            return situation.takes(plan(host, sys.maxsize))
        except ServiceLevelError:
            return math.inf

    return plan(min(hosts, key=takes), situation.deployment.inference.max_instances)


def _bridged_plan(
    situation: Situation, capacity: Capacity, host: Host, worth: float, even: str
) -> ServingPlan:
    """Return the plan of an endpoint that runs while its footprint is lower than Bedrock's."""
    attainment = situation.deployment.service_level.attainment
    wake, sleep = wake_and_sleep(worth)
    most = situation.deployment.inference.max_instances

    def needed(rate: Rate) -> int:
        copies = capacity.copies_for(rate.mean_per_hour / 3600, attainment, most * host.copies)
        return math.ceil(copies / host.copies) if copies else most

    awake, instances = False, []
    for rate in 2 * situation.week:  # the second week begins as the first one ends
        threshold = sleep if awake else wake
        awake = rate.mean_per_hour >= threshold.questions_per_hour
        instances.append(needed(rate) if awake else 0)
    instances = instances[len(situation.week) :]
    max_copies = max(instances) * host.copies
    target = capacity.rate_of(max_copies, attainment) / max_copies
    answered = [
        min(rate.mean_per_hour, count * host.copies * capacity.full_rate * 3600)
        for rate, count in zip(situation.week, instances, strict=True)
    ]
    on_time = sum(
        rate * (1 - capacity.late_share(count * host.copies, rate / 3600))
        for rate, count in zip(answered, instances, strict=True)
        if count
    )
    demand = sum(rate.mean_per_hour for rate in situation.week)
    busiest = max(rate.mean_per_hour for rate in situation.week)
    utilization = sum(answered) / (sum(instances) * host.copies * capacity.full_rate * 3600)
    return ServingPlan(
        mode=Mode.BRIDGED,
        instance_type=host.instance_type,
        model=situation.model,
        inference_components=True,
        copies_per_instance=host.copies,
        min_copies=0,
        max_copies=max_copies,
        wake=wake,
        sleep=sleep,
        expected_instance_hours=instance_hours(
            [count for count in instances for _ in range(PER_HOUR)],
            overhead_s=situation.seconds("cold_start")
            + situation.seconds("release")
            + sleep.period_s * sleep.datapoints,
        ),
        expected_utilization=utilization,
        expected_attainment=on_time / sum(answered),
        bedrock_share=1 - sum(answered) / demand,
        alarms=alarm_thresholds(situation, capacity, utilization=utilization, demand_floor=sleep),
        reasons=(
            f"{even} Below it, the endpoint scales to zero and Bedrock answers.",
            copy_sentence(capacity),
            latency_sentence(situation, capacity),
            f"The first copy starts at {wake.questions_per_hour:,.0f} questions/h for "
            f"{wake.period_s * wake.datapoints // 60} minutes. The last copy stops below "
            f"{sleep.questions_per_hour:,.0f} questions/h for "
            f"{sleep.period_s * sleep.datapoints // 60} minutes. These are 20 % above and below "
            "break-even, so that copies do not start and stop all the time.",
            f"At most {copies_of(max_copies)}: "
            + (
                f"{attainment * 100:.4g} % of the answers in the busiest hour, with "
                f"{busiest:,.0f} questions on average, are in time."
                if max(instances) < most
                else "inference.max_instances allows no more."
            ),
            "No spare copies: Bedrock answers what the endpoint cannot.",
        ),
        **shared_fields(situation, capacity, target=target),
    )
