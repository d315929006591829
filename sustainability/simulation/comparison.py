"""A plan compared with other policies, with the same traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sustainability.deployment.schema import Objective
from sustainability.energy.impact import Impact
from sustainability.plan.capacity import Capacity
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.situation import Situation
from sustainability.simulation.engine import Endpoint, replay
from sustainability.simulation.oracle import Prices, clairvoyant
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


@dataclass(frozen=True)
class Comparison:
    """The results of all policies on the same traffic; the plan is first."""

    attainment: float
    """Share of answers in time that the service level asks for."""
    results: list[Result]
    oracle: Result | None = None
    """The fleet that meets the service level with the least use. None if no fleet does."""
    unit: str | None = None
    """The quantity that the oracle minimizes; None without an oracle, because nothing is scaled."""
    ratio: float | None = None
    """The use of the plan, divided by that of the oracle."""

    @property
    def plan(self) -> Result:
        """The result of the plan."""
        return self.results[0]


_UNITS = {
    Objective.ENERGY: "energy",
    Objective.CARBON: "carbon",
    Objective.COST: "cost",
}


def compare(
    situation: Situation,
    plan: ServingPlan,
    traffic: Traffic,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Simulate ``traffic`` with the plan, other policies and the oracle."""
    level = situation.deployment.service_level
    limit = level.latency_p95 or level.deadline
    assert limit is not None
    capacity = situation.capacity(limit)
    endpoint = endpoint_of(situation, plan, capacity)

    def result(name: str, outcome: Outcome) -> Result:
        return Result(name, outcome, impact_of(situation, plan, outcome))

    results = []
    for policy in _policies(situation, plan, capacity, traffic.start):
        progress(f"replaying: {policy.name}")
        results.append(result(policy.name, run(traffic, endpoint, policy)))
    if plan.mode not in (Mode.REALTIME, Mode.BRIDGED):
        return Comparison(level.attainment, results)
    progress("searching: oracle")
    unit, prices = prices_of(situation, plan, capacity)
    ours = results[0].outcome
    found = oracle(traffic, endpoint, level.attainment, prices, [each.outcome for each in results])
    least = prices.of(found) if found else 0.0
    return Comparison(
        level.attainment,
        results,
        result("oracle", found) if found else None,
        unit,
        prices.of(ours) / least if least else None,
    )


def oracle(
    traffic: Traffic,
    endpoint: Endpoint,
    attainment: float,
    prices: Prices,
    others: Iterable[Outcome],
) -> Outcome | None:
    """Return the outcome that meets the level with the least use: the oracle's or another's.

    None if no fleet keeps the level.
    """
    found = clairvoyant(traffic, endpoint, attainment=attainment, prices=prices)
    keeping = [other for other in others if other.attainment >= attainment]
    return min([*([found] if found else []), *keeping], key=prices.of, default=None)


def prices_of(situation: Situation, plan: ServingPlan, capacity: Capacity) -> tuple[str, Prices]:
    """Return the unit by which a fleet is measured, and how much it uses.

    Without Bedrock, that is instance-hours; otherwise the footprint by ``inference.optimize``.
    """
    if not situation.bedrock:
        return "instance-hours", Prices(1.0, 0.0, lambda outcome: outcome.instance_hours)

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
    return _UNITS[situation.deployment.inference.optimize], Prices(
        idle,
        takes(answers=1) - work / full,
        lambda outcome: situation.quantity(impact_of(situation, plan, outcome)),
    )


def run(traffic: Traffic, endpoint: Endpoint, policy: Policy) -> Outcome:
    """Simulate ``traffic`` with one policy."""
    return replay(
        traffic.requests(),
        endpoint.starting_with(policy.initial_copies),
        policy.scaler(),
        duration=traffic.duration,
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


def _policies(
    situation: Situation, plan: ServingPlan, capacity: Capacity, start: float
) -> list[Policy]:
    most, ours = plan.max_copies, planned(plan, start)
    if plan.mode is Mode.REALTIME:
        return [ours, *baselines(situation, capacity, most, start)]
    if plan.mode is Mode.BRIDGED:
        return [ours, bedrock_alone(), *baselines(situation, capacity, most, start)]
    if plan.instance_type is None:
        return [bedrock_alone()]
    return [ours, static(max(1, most))]
