"""What to change next in a deployment: each step is tried, and told with what it saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from sustainability.decide.region_requirements import possible_plan
from sustainability.decide.what_if import WhatIfError, changed_by
from sustainability.deployment.schema import Availability, Deployment, Rate, Store
from sustainability.energy.impact import Component
from sustainability.energy.site import carbon_of_computing
from sustainability.facts.lookup import Facts
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.offers.names import smallest_first
from sustainability.offers.region_map import places
from sustainability.plan.serving import plan_serving
from sustainability.stores.kinds import chosen

LEAST = 0.02
"""A step that saves a smaller share of the carbon is not worth a change."""
_GENERATORS = 2
"""The smallest models, of which the first may be too small."""
_DEFERRED = "6h"


@dataclass(frozen=True)
class Step:
    """One change, with its effect on a month of the declared traffic: middle estimates."""

    setting: str
    """What to write in the deployment file: ``knowledge.store: vectors``."""
    condition: str
    """What must be true besides the numbers; empty if nothing."""
    kwh: float
    """Saved energy; negative if it takes more. So with carbon and cost."""
    carbon_g: float
    usd: float
    share: float
    """Saved share of the carbon of the month."""
    part: Component
    """The part of the deployment that saves most, as it is now."""
    part_share: float
    """Its share of the carbon of the month."""


def next_steps(deployment: Deployment) -> list[Step]:
    """Return the changes that save carbon, the one that saves most first.

    Each is tried: the changed deployment is planned, checked as at synth, and estimated. What
    breaks the service level or a limit of the file is not proposed.

    Raises
    ------
    UserError
        If the deployment itself has no plan.
    """
    return _tried(deployment, _candidates(deployment))


def generator_step(deployment: Deployment, model: str, condition: str = "") -> list[Step]:
    """Return the change to another generator on Bedrock; nothing if it saves too little.

    Raises
    ------
    UserError
        If the deployment itself has no plan.
    """
    return _tried(deployment, _possible(deployment, [_to_generator(model, condition)]))


def _tried(deployment: Deployment, candidates: Iterable[tuple[str, str, Deployment]]) -> list[Step]:
    present = footprint(deployment, plan_serving(deployment))
    steps = []
    for setting, condition, changed in candidates:
        plan = possible_plan(changed)
        if plan is None:
            continue
        step = _step(setting, condition, present, footprint(changed, plan))
        if step.share >= LEAST:
            steps.append(step)
    return sorted(steps, key=lambda step: -step.carbon_g)


def as_measured(
    deployment: Deployment, *, answers_per_month: float, tokens: tuple[float, float] | None
) -> Deployment:
    """Return the deployment with the traffic that was measured in place of the declared one.

    ``tokens`` are those of a prompt and of an answer, on the mean. The course of the week and the
    spread of the lengths stay as declared.
    """
    traffic = deployment.traffic
    declared = traffic.questions_per_month
    if not declared or not answers_per_month:
        return deployment
    factor = answers_per_month / declared

    def scaled(rate: Rate) -> Rate:
        return rate.model_copy(
            update={
                "mean_per_hour": rate.mean_per_hour * factor,
                "peak_per_hour": rate.peak_per_hour * factor,
            }
        )

    changes: dict[str, object] = {
        "periods": tuple(scaled(period) for period in traffic.periods),
        "otherwise": scaled(traffic.otherwise),
    }
    for name, mean in zip(("input_tokens", "output_tokens"), tokens or (), strict=False):
        stated = getattr(traffic, name)
        if mean:
            changes[name] = stated.model_copy(
                update={"mean": mean, "p95": stated.p95 * mean / stated.mean}
            )
    return deployment.model_copy(update={"traffic": traffic.model_copy(update=changes)})


def _step(setting: str, condition: str, before: Footprint, after: Footprint) -> Step:
    left = {component.name: component.traffic.carbon_g.mid for component in after.components}
    part = max(
        before.components,
        key=lambda component: component.traffic.carbon_g.mid - left.get(component.name, 0.0),
    )
    now, then = before.traffic, after.traffic
    total = now.carbon_g.mid
    return Step(
        setting=setting,
        condition=condition,
        kwh=now.kwh.mid - then.kwh.mid,
        carbon_g=total - then.carbon_g.mid,
        usd=now.usd.mid - then.usd.mid,
        share=1 - then.carbon_g.mid / total if total else 0.0,
        part=part,
        part_share=part.traffic.carbon_g.mid / total if total else 0.0,
    )


def _candidates(deployment: Deployment) -> Iterator[tuple[str, str, Deployment]]:
    """Yield setting, condition and the changed deployment."""
    yield from _possible(deployment, _changes(deployment))
    accounting, facts = deployment.footprint.accounting, Facts()

    def carbon(region: str) -> float:
        return carbon_of_computing(region, accounting, facts).mid

    here = carbon(deployment.region)
    cleaner = sorted((name for name in places() if carbon(name) < here), key=carbon)
    moved = (deployment.model_copy(update={"region": name}) for name in cleaner)
    for elsewhere in islice((each for each in moved if possible_plan(each)), 1):
        condition = "if users and data may be there; it is a new deployment"
        yield f"region: {elsewhere.region}", condition, elsewhere


def _possible(
    deployment: Deployment, changes: Iterable[tuple[str, str, str]]
) -> Iterator[tuple[str, str, Deployment]]:
    for setting, condition, change in changes:
        try:
            yield setting, condition, changed_by(deployment, change)
        except WhatIfError:
            continue  # against another setting of the file


def _changes(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    present = chosen(deployment)
    for store in (Store.VECTORS, Store.SERVERLESS, Store.DOMAIN):
        if store is not present:
            sleeps = store is Store.SERVERLESS
            condition = "if the first question after a pause may wait" if sleeps else ""
            yield f"knowledge.store: {store.value}", condition, f"store={store.value}"
    if deployment.answers.generated:
        for model in smallest_first()[:_GENERATORS]:
            if model not in deployment.answers.generator:
                yield _to_generator(model, "if choose-model finds its answers good enough")
    level = deployment.service_level
    if level.availability is not Availability.BEST_EFFORT:
        condition = "if a failure may delay answers"
        yield (
            "service_level.availability: best_effort",
            condition,
            "availability=best_effort",
        )
    if level.latency_p95 is not None:
        condition = "if nobody waits for the answers"
        yield f"service_level.deadline: {_DEFERRED}", condition, f"deadline={_DEFERRED}"


def _to_generator(model: str, condition: str) -> tuple[str, str, str]:
    return f"answers.generator: {model}", condition, f"generator={model}"
