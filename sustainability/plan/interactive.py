"""Plans for answers that somebody waits for: Bedrock, and endpoints that sleep or never do."""

from __future__ import annotations

import math
import sys

from sustainability.deployment.schema import Rate
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


def plan_interactive(situation: Situation) -> ServingPlan:
    """Return the plan for a latency that 95 of 100 answers must keep.

    The mode follows from demand and from what Bedrock takes, never from the latency: a stricter
    service level can only add copies.

    Raises
    ------
    ServiceLevelError
        If the model cannot keep the latency.
    """
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    capacity = situation.capacity(latency)
    hosts = situation.hosts(inference_components=situation.inference_components)
    if not situation.bedrock:
        return _on_own_instances(situation, capacity, hosts)
    if not hosts:
        return bedrock_plan(situation, "The Region hosts none of inference.instance_types.")
    points = {host: situation.break_even(host) for host in hosts}
    host = min(hosts, key=lambda host: points[host].mid)
    point, generator = points[host], situation.deployment.answers.generator
    objective = situation.deployment.inference.optimize
    if not point.worth_it:
        reason = (
            f"An answer of {generator} takes less {objective} than of a full {host.instance_type}, "
            f"which completes {host.copies * capacity.full_rate * 3600:,.0f}/h"
        )
        if math.isfinite(point.low):
            reason += f"; at the other end of the estimates {point.low:,.0f}/h would be break-even"
        return bedrock_plan(situation, f"{reason}.")
    means = [rate.mean_per_hour for rate in situation.week]
    even = (
        f"From {point.mid:,.0f} questions/h on, {host.instance_type} takes less {objective} than "
        f"{generator}"
    )
    if max(means) < point.mid * (1 + HYSTERESIS):
        return bedrock_plan(
            situation, f"{even}; the busiest hour of the week brings {max(means):,.0f} on average."
        )
    usual = sum(means) / len(means)
    if not situation.inference_components and usual < point.mid:
        return bedrock_plan(
            situation,
            f"{even}; the mean hour brings {usual:,.0f}, and without inference components in the "
            "Region no endpoint can sleep.",
        )
    require_carrying(situation, capacity, host, point.mid)
    if min(means) >= point.mid * (1 - HYSTERESIS):
        why = f"{even}, and the calmest hour brings {min(means):,.0f}."
    elif not situation.inference_components:
        why = f"{even}, the mean hour brings {usual:,.0f}, and no endpoint of the Region can sleep."
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
        f"Bedrock publishes no latency. With {before:g} s of search, an assumed {first:g} s to the "
        f"first token and {each * 1000:g} ms for each, an answer of {tokens:,.0f} tokens takes "
        f"{before + first + each * tokens:.1f} s; an alarm watches the real one."
    )


def _on_own_instances(
    situation: Situation, capacity: Capacity, hosts: tuple[Host, ...]
) -> ServingPlan:
    """Return the plan on the host that takes least, were there no ceiling on instances."""
    why = "Questions may not leave for Bedrock, and nobody can wait for a start: it never sleeps."

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
    """Return the plan of an endpoint that is awake while it takes less than Bedrock."""
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
            f"{even}: below that the endpoint sleeps, and Bedrock answers.",
            copy_sentence(capacity),
            latency_sentence(situation, capacity),
            f"It wakes at {wake.questions_per_hour:,.0f} questions/h over "
            f"{wake.period_s * wake.datapoints // 60} minutes and sleeps below "
            f"{sleep.questions_per_hour:,.0f}/h over {sleep.period_s * sleep.datapoints // 60}: "
            "a fifth above and below the break-even, so that it does not do so all the time.",
            f"At most {copies_of(max_copies)}, "
            + (
                f"with which {attainment:.3g} of the answers of the busiest hour, "
                f"{busiest:,.0f} questions on average, are in time."
                if max(instances) < most
                else "all that inference.max_instances allows."
            ),
            "No spare copies: Bedrock answers what the endpoint cannot.",
        ),
        **shared_fields(situation, capacity, target=target),
    )
