"""Energy and cost per hour by requests per hour, on Bedrock and on your own instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sustainability.deployment.schema import Deployment, Objective
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.plan.break_even import BreakEven, Tokens, break_even, instance_hour

_POINTS_PER_DECADE = 12
_FULL_INSTANCES = 4
"""The highest rate fills at least this many instances, so that the chart shows the steps."""
TIERS = ("standard", "flex", "batch")


@dataclass(frozen=True)
class Offer:
    """An instance type, and the requests per hour of one instance with every slot busy."""

    instance_type: str
    full_per_hour: float


@dataclass(frozen=True)
class Curve:
    """Energy and cost per hour of one way to answer, at each rate of requests."""

    name: str
    energy_wh: tuple[tuple[float, float], ...]
    usd: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Meeting:
    """The break-even rate of an instance for each objective."""

    offer: Offer
    rates: dict[Objective, BreakEven]


def rates(highest: float) -> list[float]:
    """Return rates of requests per hour from 1 to the power of ten above ``highest``."""
    decades = max(1, math.ceil(math.log10(highest)))
    return [10 ** (step / _POINTS_PER_DECADE) for step in range(decades * _POINTS_PER_DECADE + 1)]


def curves(deployment: Deployment, offers: Sequence[Offer]) -> list[Curve]:
    """Return a curve for each tier of Bedrock and each instance type, from middle estimates."""
    facts, accounting = Facts(), deployment.footprint.accounting
    tokens, model = _tokens(deployment), deployment.answers.generator
    request = bedrock_tokens(
        model,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        site=Site.of_model(model, deployment.region, accounting, facts),
    )
    home = Site.of_region(deployment.region, accounting, facts)
    course = rates(_FULL_INSTANCES * max(offer.full_per_hour for offer in offers))
    found = []
    for tier in TIERS:
        # Tiers differ in response time. The tokens, and so their energy, are the same.
        discount = 1.0 if tier == "standard" else facts(f"prices/bedrock/{tier}", "ratio").mid
        found.append(
            Curve(
                f"Bedrock {tier}",
                tuple((rate, request.kwh.mid * 1000 * rate) for rate in course),
                tuple((rate, request.usd.mid * discount * rate) for rate in course),
            )
        )
    for offer in offers:
        hours = [(rate, _hour(offer, rate, home)) for rate in course]
        found.append(
            Curve(
                offer.instance_type,
                tuple((rate, hour.kwh.mid * 1000) for rate, hour in hours),
                tuple((rate, hour.usd.mid) for rate, hour in hours),
            )
        )
    return found


def _hour(offer: Offer, rate: float, site: Site) -> Impact:
    count = math.ceil(rate / offer.full_per_hour)
    utilization = rate / (count * offer.full_per_hour)
    return instance_hour(offer.instance_type, utilization=utilization, site=site) * count


def meetings(deployment: Deployment, offers: Sequence[Offer]) -> list[Meeting]:
    """Return the break-even rate of each instance type with the standard tier of Bedrock."""
    return [
        Meeting(
            offer,
            {
                objective: break_even(
                    objective=objective,
                    model=deployment.answers.generator,
                    instance_type=offer.instance_type,
                    tokens=_tokens(deployment),
                    full_per_hour=offer.full_per_hour,
                    region=deployment.region,
                    accounting=deployment.footprint.accounting,
                )
                for objective in Objective
            },
        )
        for offer in offers
    ]


def _tokens(deployment: Deployment) -> Tokens:
    return Tokens(deployment.traffic.input_tokens.mean, deployment.answer_tokens.mean)
