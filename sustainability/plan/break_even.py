"""The break-even: above how many requests per hour your own instance uses less than Bedrock.

An instance uses its idle energy every hour, and a little more for each request. Bedrock uses the
same for each request, and nothing without requests. The two are equal at one rate. There is no such
rate if a request on a fully loaded instance uses more than on Bedrock, where many customers share a
batch. The same applies to carbon and cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

from sustainability.deployment.schema import Accounting, Objective
from sustainability.energy import power
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.energy.verdict import Verdict
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

NEVER = math.inf


@dataclass(frozen=True)
class Tokens:
    """Mean number of tokens of a request."""

    input: float
    output: float


@dataclass(frozen=True)
class BreakEven:
    """Requests per hour above which one running instance uses less; ``inf`` means never."""

    idle: Estimate
    """Of an hour without requests."""
    full: Estimate
    """Of a fully loaded hour."""
    request: Estimate
    """Of a request on Bedrock. Grid and PUE are the same on both sides: so are their draws."""
    full_per_hour: float
    """Requests of a fully loaded hour."""

    @property
    def mid(self) -> float:
        """The rate by the middle estimates."""
        return _meeting(self.idle.mid, self.full.mid, self.request.mid, self.full_per_hour)

    @property
    def low(self) -> float:
        """The 5th percentile of the rate."""
        return min(self.mid, self._ends[0])

    @property
    def high(self) -> float:
        """The 95th percentile of the rate."""
        return max(self.mid, self._ends[1])

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return Estimate.ends(
            partial(_meeting, full_per_hour=self.full_per_hour), self.idle, self.full, self.request
        )

    @property
    def worth_it(self) -> bool:
        """Whether a fully loaded instance uses less than Bedrock, by the middle estimates."""
        return self.mid < NEVER

    def at(self, per_hour: float) -> Verdict:
        """Compare an hour of one instance with one on Bedrock, at a rate of requests.

        Parameters
        ----------
        per_hour
            At most :attr:`full_per_hour`.
        """
        part = per_hour / self.full_per_hour
        # The idle energy is a part of both ends, so the hour is between them draw by draw.
        hour = Estimate.combine(
            lambda idle, full: idle + part * (full - idle), self.idle, self.full
        )
        return Verdict.between(hour, self.request * per_hour)


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
    """Return the rate of requests at which Bedrock and one instance use the same.

    Parameters
    ----------
    objective
        What is compared: energy, carbon (including making the hardware), or cost.
    model
        The Bedrock model or inference profile.
    instance_type
        Such as ``ml.inf2.xlarge``.
    tokens
        Mean number of tokens of a request.
    full_per_hour
        Requests per hour that the instance answers with every decode slot busy.
    region
        The Region of the instance, from which Bedrock is called.
    accounting
        The carbon intensity to use; only for the carbon objective.
    facts
        The source of numbers; by default ``sustainability/facts/data``.

    Raises
    ------
    FactError
        If the model or the instance has no row in ``sustainability/facts/data``.
    """
    facts = facts or Facts()
    home = Site.of_region(region, accounting, facts)
    return BreakEven(
        idle=instance_hour(instance_type, utilization=0, site=home).by(objective),
        full=instance_hour(instance_type, utilization=1, site=home).by(objective),
        request=bedrock_tokens(
            model,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            site=Site.of_model(model, region, accounting, facts),
        ).by(objective),
        full_per_hour=full_per_hour,
    )


def instance_hour(instance_type: str, *, utilization: float, site: Site) -> Impact:
    """Return the footprint of a running instance per hour at ``utilization``, 0 to 1."""
    machine = power.accelerated(instance_type, site.facts).at(utilization)
    return site.impact(
        machine.kwh(1),
        embodied_g=machine.embodied_g_per_h,
        usd=site.facts(f"prices/instance/{instance_type}", "USD/h"),
    )


def _meeting(idle: float, full: float, request: float, full_per_hour: float) -> float:
    saved_by_each = request - (full - idle) / full_per_hour
    if saved_by_each <= 0:
        return NEVER
    rate = idle / saved_by_each
    return rate if rate <= full_per_hour else NEVER
