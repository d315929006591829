"""A plan compared with other policies, with the same traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sustainability.energy.impact import Impact
from sustainability.plan.capacity import Capacity
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.situation import Situation
from sustainability.simulation.engine import Endpoint, replay
from sustainability.simulation.oracle import choosing, clairvoyant
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.policies import (
    Policy,
    baselines,
    bedrock_alone,
    endpoint_of,
    planned,
    static,
)
from sustainability.simulation.traffic import Traffic


@dataclass(frozen=True)
class Result:
    """The result of one policy."""

    policy: str
    outcome: Outcome
    impact: Impact
    """Footprint of the instances and of the tokens on Bedrock."""


def compare(
    situation: Situation,
    plan: ServingPlan,
    traffic: Traffic,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Simulate ``traffic`` with the plan, other policies and the oracle; the plan is first."""
    level = situation.deployment.service_level
    limit = level.latency_p95 or level.deadline
    assert limit is not None
    capacity = situation.capacity(limit)
    endpoint = endpoint_of(situation, plan, capacity)
    results = []

    def add(name: str, outcome: Outcome) -> None:
        results.append(Result(name, outcome, impact_of(situation, plan, outcome)))

    for policy in _policies(situation, plan, capacity):
        progress(f"replaying: {policy.name}")
        add(policy.name, run(traffic, endpoint, policy))
    if plan.mode is Mode.REALTIME:
        progress("replaying: oracle")
        add("oracle", clairvoyant(traffic, endpoint, capacity, level.attainment))
    elif plan.mode is Mode.BRIDGED:
        progress("replaying: oracle")
        add("oracle", bridging_oracle(situation, plan, capacity, traffic))
    return results


def run(traffic: Traffic, endpoint: Endpoint, policy: Policy) -> Outcome:
    """Simulate ``traffic`` with one policy."""
    return replay(
        traffic.requests(),
        endpoint.starting_with(policy.initial_copies),
        policy.scaler(),
        duration=traffic.duration,
    )


def bridging_oracle(
    situation: Situation, plan: ServingPlan, capacity: Capacity, traffic: Traffic
) -> Outcome:
    """Simulate the schedule with the lowest footprint, which knows the traffic in advance."""
    awake_hour, bedrock_answer = _prices(situation, plan, capacity)
    return choosing(
        traffic,
        endpoint_of(situation, plan, capacity),
        most=plan.max_copies,
        awake_hour=awake_hour,
        bedrock_answer=bedrock_answer,
        attainment=situation.deployment.service_level.attainment,
    )


def impact_of(situation: Situation, plan: ServingPlan, outcome: Outcome) -> Impact:
    """Return the footprint of the instances and of the tokens on Bedrock."""
    copies = outcome.instance_seconds * max(1, plan.copies_per_instance)
    return situation.impact(
        plan.instance_type,
        hours=outcome.instance_hours,
        utilization=outcome.work_seconds / copies if copies else 0.0,
        bedrock_tokens_in=outcome.bedrock_input_tokens,
        bedrock_tokens_out=outcome.bedrock_output_tokens,
    )


def _policies(situation: Situation, plan: ServingPlan, capacity: Capacity) -> list[Policy]:
    most = plan.max_copies
    if plan.mode is Mode.REALTIME:
        return [planned(plan), *baselines(situation, capacity, most)]
    if plan.mode is Mode.BRIDGED:
        return [planned(plan), bedrock_alone(), *baselines(situation, capacity, most)]
    if plan.instance_type is None:
        return [bedrock_alone()]
    return [planned(plan), static(max(1, most))]


def _prices(situation: Situation, plan: ServingPlan, capacity: Capacity) -> tuple[float, float]:
    """Return the footprint of an idle instance-hour, and of an answer on Bedrock minus its work."""

    def takes(*, hours: float = 0.0, utilization: float = 0.0, answers: float = 0.0) -> float:
        deployment = situation.deployment
        return situation.quantity(
            situation.impact(
                plan.instance_type,
                hours=hours,
                utilization=utilization,
                bedrock_tokens_in=answers * deployment.traffic.input_tokens.mean,
                bedrock_tokens_out=answers * deployment.answer_tokens.mean,
            )
        )

    idle = takes(hours=1)
    work = takes(hours=1, utilization=1) - idle
    full = plan.copies_per_instance * capacity.full_rate * 3600
    return idle, takes(answers=1) - work / full
