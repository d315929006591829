"""The targets of a deployment: units, and the estimate beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import Impact
from sustainability.facts.ranges import Estimate
from sustainability.footprint.footprint import Footprint


@dataclass(frozen=True)
class Unit:
    """What a key of ``footprint.targets`` counts."""

    word: str
    measure: str
    """In the hourly footprint record."""
    name: str
    per_base: float
    """How many of it are one unit of the record: kWh, gCO2e, USD or litre."""


UNITS = {
    ("answer", "energy_wh"): Unit("energy", "kwh", "Wh", 1000),
    ("answer", "carbon_gco2e"): Unit("carbon", "carbon_g", "gCO2e", 1),
    ("answer", "water_ml"): Unit("water", "water_l", "ml", 1000),
    ("answer", "cost_usd"): Unit("cost", "usd", "USD", 1),
    ("month", "energy_kwh"): Unit("energy", "kwh", "kWh", 1),
    ("month", "carbon_gco2e"): Unit("carbon", "carbon_g", "gCO2e", 1),
    ("month", "water_l"): Unit("water", "water_l", "l", 1),
    ("month", "cost_usd"): Unit("cost", "usd", "USD", 1),
}
"""By what a target is for, and its key."""


def unit(measure: str, per: str) -> Unit:
    """Return the unit of a target by the measure of the hourly footprint record."""
    return next(
        found for (for_, _), found in UNITS.items() if (found.measure, for_) == (measure, per)
    )


def in_base_units(deployment: Deployment) -> list[tuple[str, str, float, str]]:
    """Return measure, what it is for, value and day of each target, for the hourly function."""
    return [
        (
            UNITS[per, key].measure,
            per,
            float(f"{target.at_most / UNITS[per, key].per_base:.6g}"),
            target.by.isoformat(),
        )
        for per, key, target in deployment.footprint.targets.stated
    ]


@dataclass(frozen=True)
class Estimated:
    """The estimate of a month or an answer of the declared traffic, beside its target."""

    per: str
    unit: Unit
    at_most: float
    by: date
    estimate: Estimate
    """In :attr:`unit`."""

    @property
    def above(self) -> float:
        """How far the middle estimate is over the target: 0.1 is 10 %; negative if below."""
        return self.estimate.mid / self.at_most - 1


def estimated(deployment: Deployment, result: Footprint) -> list[Estimated]:
    """Return each target with its estimate; without traffic, none for an answer."""
    answered = result.per_1000_answers
    found = []
    for per, key, target in deployment.footprint.targets.stated:
        taken = result.traffic if per == "month" else answered and answered * (1 / 1000)
        if taken is not None:
            of = UNITS[per, key]
            value = _measured(taken, of.measure) * of.per_base
            found.append(Estimated(per, of, target.at_most, target.by, value))
    return found


def _measured(taken: Impact, measure: str) -> Estimate:
    return {
        "kwh": taken.kwh,
        "carbon_g": taken.carbon_g,
        "usd": taken.usd,
        "water_l": taken.litres,
    }[measure]
