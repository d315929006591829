"""The footprint of a deployment: energy, carbon and cost, idle and with its declared traffic.

The calculation follows the Software Carbon Intensity specification (ISO/IEC 21031): (E x I + M) per
R. E is the energy at the wall, I the carbon intensity of the electricity, M the embodied carbon of
the hardware, and R one answered question. Every number comes from ``sustainability/facts/data``
with its range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sustainability.deployment.schema import Accounting, Deployment
from sustainability.energy.demand import Demand
from sustainability.energy.impact import Component, Impact
from sustainability.energy.site import Site, water_at_source
from sustainability.facts.lookup import Confidence, Fact, Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint import answers, services
from sustainability.footprint.recording import record
from sustainability.footprint.watching import Watch
from sustainability.offers.bedrock import ModelName
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import profile


@dataclass(frozen=True)
class Footprint:
    """The footprint of a deployment in a month (730 hours), by component."""

    deployment: str
    region: str
    accounting: Accounting
    answers_per_month: float
    components: tuple[Component, ...]
    allowance_usd: Estimate
    """What of :attr:`watching_usd` costs nothing in an AWS account that holds nothing else."""
    source_litres_per_kwh: Estimate
    """Water of the power plants for each kWh at the wall. No :class:`Impact` contains it."""
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    """Every number that the result uses."""

    @property
    def idle(self) -> Impact:
        """The idle floor: a month without questions."""
        return Impact.total(component.idle for component in self.components)

    @property
    def traffic(self) -> Impact:
        """A month of the declared traffic, including the idle floor."""
        return Impact.total(component.traffic for component in self.components)

    @property
    def watching_usd(self) -> Estimate:
        """The cost of watching in a month of traffic, at list prices."""
        return _usd(component for component in self.components if component.watches)

    @property
    def watched_usd(self) -> Estimate:
        """The cost of all that is watched in a month of traffic."""
        return _usd(component for component in self.components if not component.watches)

    @property
    def per_1000_answers(self) -> Impact | None:
        """The month of traffic divided by its answers, times 1,000; ``None`` without traffic."""
        if not self.answers_per_month:
            return None
        return self.traffic * (1000 / self.answers_per_month)

    @property
    def source_litres_per_1000_answers(self) -> Estimate | None:
        """Water that the power plants take for 1,000 answers, in litres; None without traffic."""
        answered = self.per_1000_answers
        return None if answered is None else answered.kwh * self.source_litres_per_kwh

    @property
    def assumptions(self) -> tuple[Fact, ...]:
        """The numbers among :attr:`facts` that no source states."""
        return tuple(fact for fact in self.facts if fact.confidence is Confidence.ASSUMPTION)


def footprint(deployment: Deployment, plan: ServingPlan, facts: Facts | None = None) -> Footprint:
    """Return the monthly footprint of ``deployment``, served by ``plan``.

    Raises
    ------
    FactError
        If a number has no row in ``sustainability/facts/data``.
    """
    facts = facts or Facts()
    accounting = deployment.footprint.accounting
    site = Site.of_region(deployment.region, accounting, facts)
    generating, embedding = (
        Site.of_model(model, deployment.region, accounting, facts) for model in _models(deployment)
    )
    demand = Demand.of(deployment, facts)
    watch = Watch(deployment, plan, site)
    components = (
        profile(deployment).component(deployment, demand, site),
        answers.functions(demand, site),
        answers.embeddings(deployment, demand, embedding),
        *answers.small_first(deployment, demand, facts),
        answers.bedrock_generation(deployment, plan, demand, generating),
        *answers.instances(plan, site),
        services.requests(deployment, demand, site),
        services.storage(deployment, site),
        *services.endpoints(deployment, plan, site),
        services.transfer(demand, site),
        services.logs(deployment, demand, site),
        watch.component(demand),
        record(watch, demand),
    )
    allowance = watch.allowance(demand)
    month = sum((component.traffic for component in components), Impact())
    return Footprint(
        deployment=deployment.name,
        region=deployment.region,
        accounting=accounting,
        answers_per_month=demand.questions,
        components=components,
        allowance_usd=allowance,
        source_litres_per_kwh=water_at_source(facts),
        warnings=(
            *_warnings(deployment),
            *_too_much_watching(components, allowance),
            *_budget_warnings(deployment, month.usd),
        ),
        facts=tuple(facts.used.values()),
    )


def _usd(components: Iterable[Component]) -> Estimate:
    return Impact.total(component.traffic for component in components).usd


def _too_much_watching(components: Sequence[Component], allowance: Estimate) -> Iterator[str]:
    """Yield a warning if watching costs more than what is watched, after what is free."""
    watching = _usd(component for component in components if component.watches)
    watched = _usd(component for component in components if not component.watches)
    paid = watching.mid - allowance.mid
    if paid > watched.mid:
        yield (
            f"Watching costs {paid:,.2f} USD per month, more than what it watches, "
            f"{watched.mid:,.2f} USD. service_level.availability: best_effort has only the alarms "
            "that tell of an outage, of spending without end and of waste."
        )


def _models(deployment: Deployment) -> tuple[str, str]:
    return deployment.answers.generator, deployment.knowledge.embedding.model


def _budget_warnings(deployment: Deployment, usd: Estimate) -> Iterator[str]:
    """Yield a warning if the budget tells nothing, because the estimate never comes near it."""
    budget = deployment.monitoring.monthly_budget_usd
    if budget is None or usd.low <= budget <= usd.high:
        return
    estimate = f"the estimate of {usd.low:,.0f} to {usd.high:,.0f} USD a month"
    if budget < usd.low:
        says = f"is below {estimate}: its message comes every month"
    else:
        says = f"is above {estimate}: its message comes only long after something went wrong"
    yield f"monitoring.monthly_budget_usd of {budget:,.0f} {says}. Set at most {usd.high:,.0f}"


def _warnings(deployment: Deployment) -> tuple[str, ...]:
    found = [
        f"{model} is a cross-Region inference profile: a request can run in another Region. The "
        "carbon range of its tokens covers all Regions of the profile."
        for model in _models(deployment)
        if ModelName.parse(model).scope
    ]
    if deployment.footprint.accounting is Accounting.MARKET:
        found.append(
            "Market-based carbon: the renewable energy that AWS bought is subtracted. Do not "
            "compare it with location-based values. It is not a Software Carbon Intensity score."
        )
    return tuple(found)


@dataclass(frozen=True)
class Influence:
    """How one number changes the monthly carbon over its own range; all others at their middle."""

    fact: Fact
    carbon_g: Estimate

    @property
    def swing(self) -> float:
        """Grams of CO2e between the low and the high end."""
        return self.carbon_g.high - self.carbon_g.low


def influences(deployment: Deployment, plan: ServingPlan) -> list[Influence]:
    """Return the influence of each uncertain number on carbon with traffic, the largest first."""
    ranged = [
        fact for fact in footprint(deployment, plan).facts if fact.value.low < fact.value.high
    ]
    found = [
        Influence(fact, footprint(deployment, plan, Facts(varying=fact.path)).traffic.carbon_g)
        for fact in ranged
    ]
    return sorted(found, key=lambda influence: -influence.swing)
