"""Plans for answers that a user waits for: Bedrock, and endpoints with or without scale to zero."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sustainability.deployment.schema import Objective, Rate
from sustainability.energy.impact import HOURS_PER_MONTH, UNITS, Impact
from sustainability.energy.verdict import Verdict
from sustainability.plan.capacity import Capacity
from sustainability.plan.endpoint_targets import (
    HYSTERESIS,
    alarm_thresholds,
    copies_of,
    copy_sentence,
    latency_sentence,
    shared_fields,
    wake_and_sleep,
)
from sustainability.plan.other_modes import least
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

    It is the one that uses least in a month, by ``inference.optimize``, of all plans that meet the
    latency: Bedrock alone, and for each instance type an endpoint that scales to zero, with several
    thresholds of demand, and one that is always on.

    Raises
    ------
    ServiceLevelError
        If no plan can meet the latency. Names the lowest latency that can be met.
    """
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    capacity = situation.capacity(latency)
    hosts = situation.hosts(inference_components=situation.inference_components)
    if not situation.bedrock:
        return _on_own_instances(situation, capacity, hosts)
    plans = list(_bedrock_plans(situation))
    obstacles: list[ServiceLevelError] = []
    for host in hosts:
        if plans and situation.inference_components:
            plans += _bridged_plans(situation, capacity, host)
        try:
            plans += _always_on(situation, capacity, host, below=_least(situation, plans))
        except ServiceLevelError as error:
            obstacles.append(error)
    if not plans:
        raise _unmet(situation, obstacles)
    best = least(situation, plans)
    return replace(best, reasons=(*best.reasons, *_comparison(situation, plans, best, obstacles)))


def _least(situation: Situation, plans: Sequence[ServingPlan]) -> float:
    return min(map(situation.takes, plans), default=math.inf)


def _bedrock_plans(situation: Situation) -> Iterator[ServingPlan]:
    """Yield the plan of Bedrock alone, if it can meet the latency by the middle estimates."""
    if situation.bedrock_p95_s <= _promised(situation):
        yield bedrock_plan(situation, "Bedrock answers all questions: no instance runs.")


def _promised(situation: Situation) -> float:
    latency = situation.deployment.service_level.latency_p95
    assert latency is not None
    return latency.total_seconds()


def _unmet(situation: Situation, obstacles: Sequence[ServiceLevelError]) -> ServiceLevelError:
    asked, needed = _promised(situation), situation.bedrock_p95_s
    others = [f"On instances: {error}." for error in obstacles[:1]]
    return ServiceLevelError(
        " ".join(
            [
                f"service_level.latency_p95 of {asked:g}s cannot be met: on Bedrock, an answer of "
                f"{situation.deployment.answer_tokens.p95:,.0f} tokens needs about {needed:.1f} s; "
                f"state {math.ceil(needed * 10) / 10:g}s or more, or shorter answers "
                "(answers.max_tokens).",
                *others,
            ]
        )
    )


def _comparison(
    situation: Situation,
    plans: Sequence[ServingPlan],
    best: ServingPlan,
    obstacles: Sequence[ServiceLevelError],
) -> Iterator[str]:
    """Yield what each mode would take in a month, and why one is missing."""
    objective = situation.deployment.inference.optimize
    least = {
        mode: min(map(situation.takes, of_mode))
        for mode in Mode
        if (of_mode := [plan for plan in plans if plan.mode is mode])
    }
    taken = ", ".join(
        f"{mode} {least[mode]:,.3g} {UNITS[objective]}"
        for mode in sorted(least, key=least.get)  # type: ignore[arg-type]
    )
    yield (
        f"Of the modes that meet the service level, {best.mode} {_LESS[objective]} in a month of "
        f"answers: {taken}."
        if len(least) > 1
        else f"No other mode meets the service level and {_LESS[objective]}."
    )
    if best.mode is Mode.BEDROCK:
        yield from _idle_sentences(situation, best)
    if best.mode is Mode.BEDROCK and obstacles:
        yield f"Why no instance is always on: {obstacles[0]}."
    if best.model is not None:
        yield (
            f"{best.model.name} on instances stands in for "
            f"{situation.deployment.answers.generator} on Bedrock. No comparison of their answers "
            "is recorded: compare them with your own questions (docs/choosing-a-model.md)."
        )


def _idle_sentences(situation: Situation, bedrock: ServingPlan) -> Iterator[str]:
    """Yield how Bedrock alone compares with an instance that only waits: the least of any."""
    objective = situation.deployment.inference.optimize
    month = situation.month(bedrock).by(objective)
    for host in situation.hosts(inference_components=situation.inference_components)[:1]:
        idle = _idle(situation, host).by(objective)
        yield (
            f"In {objective}, a month of answers from Bedrock takes {month.mid:,.3g} "
            f"{UNITS[objective]}, and one {host.instance_type} that answers nothing takes "
            f"{idle.mid:,.3g} ({Verdict.between(idle, month)})."
        )


def _idle(situation: Situation, host: Host) -> Impact:
    return situation.impact(
        host.instance_type,
        hours=HOURS_PER_MONTH,
        utilization=0.0,
        bedrock_tokens_in=0.0,
        bedrock_tokens_out=0.0,
    )


def _always_on(
    situation: Situation, capacity: Capacity, host: Host, *, below: float
) -> list[ServingPlan]:
    """Return the plan of an endpoint on ``host`` that is always on, if it may take less.

    Not even one idle instance may take as much as ``below``.
    """
    if situation.quantity(_idle(situation, host)) >= below:
        return []
    point = situation.break_even(host)
    means = [rate.mean_per_hour for rate in situation.week]
    why = (
        f"{_break_even_sentence(situation, host, point.mid)} The mean hour has "
        f"{sum(means) / len(means):,.0f} questions, the calmest {min(means):,.0f}."
    )
    most = situation.deployment.inference.max_instances
    week = in_advance(situation, capacity)
    plan = realtime_plan(situation, capacity, week, host, why=why, max_instances=most)
    keeps = plan.expected_attainment or 0.0
    return [plan] if keeps >= situation.deployment.service_level.attainment else []


def _break_even_sentence(situation: Situation, host: Host, worth: float) -> str:
    generator = situation.deployment.answers.generator
    less = _LESS[situation.deployment.inference.optimize]
    if math.isinf(worth):
        return f"{host.instance_type} never {less} than {generator} on Bedrock, even at full load."
    return (
        f"Break-even is at {worth:,.0f} questions/h: above it, {host.instance_type} {less} than "
        f"{generator} on Bedrock."
    )


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
        f"{situation.bedrock_p95_s:.1f} s: {before:g} s for the search, an assumed "
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


def _bridged_plans(situation: Situation, capacity: Capacity, host: Host) -> list[ServingPlan]:
    """Return plans of an endpoint that runs while its footprint is lower than Bedrock's.

    They start with 1, 2, 3 … instances, at the demand for which so many take less than Bedrock.
    A single instance may be too slow for the demand that would make it worth while; two share the
    work of a higher demand better.
    """
    worth = situation.break_even(host).mid
    busiest = max(rate.mean_per_hour for rate in situation.week)
    most = min(
        situation.deployment.inference.max_instances,
        int(busiest / (worth * (1 + HYSTERESIS))),  # 0 if break-even is never reached
    )
    attainment = situation.deployment.service_level.attainment
    plans = (
        _bridged_plan(situation, capacity, host, worth, first=first) for first in range(1, most + 1)
    )
    return [plan for plan in plans if (plan.expected_attainment or 0.0) >= attainment]


def _bridged_plan(
    situation: Situation, capacity: Capacity, host: Host, worth: float, *, first: int
) -> ServingPlan:
    """Return the plan that starts with ``first`` instances, at ``first`` times break-even."""
    attainment = situation.deployment.service_level.attainment
    wake, sleep = wake_and_sleep(first * worth)
    most = situation.deployment.inference.max_instances

    def needed(rate: Rate) -> int:
        copies = capacity.copies_for(rate.mean_per_hour / 3600, attainment, most * host.copies)
        return math.ceil(copies / host.copies) if copies else most

    awake, instances, served = False, [], []
    until_served = wake.period_s * wake.datapoints + situation.seconds("cold_start")
    for rate in 2 * situation.week:  # the second week begins as the first one ends
        starts = not awake and rate.mean_per_hour >= wake.questions_per_hour
        awake = starts or (awake and rate.mean_per_hour >= sleep.questions_per_hour)
        instances.append(needed(rate) if awake else 0)
        served.append(max(0.0, 1 - until_served / 3600) if starts else float(awake))
    instances, served = instances[len(situation.week) :], served[len(situation.week) :]
    max_copies = max(first, *instances) * host.copies
    target = capacity.rate_of(max_copies, attainment) / max_copies
    answered = [
        min(rate.mean_per_hour * part, count * host.copies * capacity.full_rate * 3600)
        for rate, count, part in zip(situation.week, instances, served, strict=True)
    ]
    on_time = sum(
        done * (1 - capacity.late_share(count * host.copies, rate.mean_per_hour / 3600))
        for rate, done, count in zip(situation.week, answered, instances, strict=True)
        if count
    )
    demand = sum(rate.mean_per_hour for rate in situation.week)
    busiest = max(rate.mean_per_hour for rate in situation.week)
    capable = sum(instances) * host.copies * capacity.full_rate * 3600
    utilization = sum(answered) / capable if capable else 0.0
    return ServingPlan(
        mode=Mode.BRIDGED,
        instance_type=host.instance_type,
        model=situation.model,
        inference_components=True,
        copies_per_instance=host.copies,
        min_copies=0,
        max_copies=max_copies,
        wake=wake,
        wake_copies=first * host.copies,
        sleep=sleep,
        expected_instance_hours=instance_hours(
            [count for count in instances for _ in range(PER_HOUR)],
            overhead_s=situation.seconds("release") + sleep.period_s * sleep.datapoints,
        ),
        expected_utilization=utilization,
        expected_attainment=on_time / sum(answered) if sum(answered) else 1.0,
        bedrock_share=1 - sum(answered) / demand,
        alarms=alarm_thresholds(situation, capacity, utilization=utilization, demand_floor=sleep),
        reasons=(
            f"{_break_even_sentence(situation, host, worth)} Below it, the endpoint scales to zero "
            "and Bedrock answers.",
            copy_sentence(capacity),
            latency_sentence(situation, capacity),
            f"{copies_of(first * host.copies).capitalize()} "
            f"{'start' if first * host.copies > 1 else 'starts'} at "
            f"{wake.questions_per_hour:,.0f} questions/h for "
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
