"""From how many requests an hour an instance of one's own takes less than tokens on Bedrock.

An instance costs its idle hour whatever it does, and then a little for each request; tokens cost
the same for each request and nothing else. The two meet at one rate, or never: when a request on a
full instance takes more than on Bedrock, where many customers share a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sustainability.deployment.schema import Accounting, Objective
from sustainability.energy import power
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

NEVER = math.inf


@dataclass(frozen=True)
class Tokens:
    """Tokens of a mean request."""

    input: float
    output: float


@dataclass(frozen=True)
class BreakEven:
    """Requests per hour from which one awake instance is worth it; ``inf`` means never.

    ``low`` is the earliest that the facts' ranges allow, ``high`` the latest.
    """

    low: float
    mid: float
    high: float

    @property
    def worth_it(self) -> bool:
        """Whether a full instance beats Bedrock at all, by the middle estimate."""
        return self.mid < NEVER


@dataclass(frozen=True)
class _Hour:
    """What an hour takes in one quantity: an idle instance, a full one, a request on Bedrock."""

    idle: Estimate
    full: Estimate
    request: Estimate


def break_even(
    *,
    objective: Objective,
    model: str,
    instance_type: str,
    tokens: Tokens,
    full_per_hour: float,
    region: str,
    accounting: Accounting = Accounting.LOCATION,
    facts: Facts | None = None,
) -> BreakEven:
    """Return the rate of requests at which Bedrock and one instance take the same.

    Parameters
    ----------
    objective
        What is compared: energy, carbon with the hardware's making included, or cost.
    model
        The Bedrock model, or profile, that answers otherwise.
    instance_type
        Such as ``ml.inf2.xlarge``.
    tokens
        Of a mean request.
    full_per_hour
        Requests of ``tokens`` that the instance carries in an hour with every decode slot busy.
    region
        Where the instance runs, and from where Bedrock is called.
    accounting
        Which carbon intensity counts; matters to the carbon objective alone.
    facts
        Where numbers come from; by default ``sustainability/facts/data``.

    Raises
    ------
    FactError
        If the model or the instance has no row in ``sustainability/facts/data``.
    """
    facts = facts or Facts()
    home = Site.of_region(region, accounting, facts)
    hour = _hour(
        objective,
        idle=instance_hour(instance_type, utilization=0, site=home),
        full=instance_hour(instance_type, utilization=1, site=home),
        request=bedrock_tokens(
            model,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            site=Site.of_model(model, region, accounting, facts),
        ),
    )
    return BreakEven(
        low=_meeting(hour.idle.low, hour.full.low, hour.request.high, full_per_hour),
        mid=_meeting(hour.idle.mid, hour.full.mid, hour.request.mid, full_per_hour),
        high=_meeting(hour.idle.high, hour.full.high, hour.request.low, full_per_hour),
    )


def instance_hour(instance_type: str, *, utilization: float, site: Site) -> Impact:
    """Return what one hour of an awake instance takes at a share of its work, 0 to 1."""
    machine = power.accelerated(instance_type, site.facts).at(utilization)
    return site.impact(
        machine.kwh(1),
        embodied_g=machine.embodied_g_per_h,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h"),
    )


def _hour(objective: Objective, *, idle: Impact, full: Impact, request: Impact) -> _Hour:
    def quantity(impact: Impact) -> Estimate:
        if objective is Objective.ENERGY:
            return impact.kwh
        return impact.carbon_g if objective is Objective.CARBON else impact.usd

    return _Hour(quantity(idle), quantity(full), quantity(request))


def _meeting(idle: float, full: float, request: float, full_per_hour: float) -> float:
    saved_by_each = request - (full - idle) / full_per_hour
    if saved_by_each <= 0:
        return NEVER
    rate = idle / saved_by_each
    return rate if rate <= full_per_hour else NEVER
