"""Energy, carbon, cost and water, each with a range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sustainability.deployment.schema import Objective
from sustainability.facts.ranges import Estimate

HOURS_PER_MONTH = 730
NOTHING = Estimate.exact(0.0)
UNITS = {Objective.ENERGY: "kWh", Objective.CARBON: "gCO2e", Objective.COST: "USD"}
"""Of :meth:`Impact.by`."""


@dataclass(frozen=True)
class Impact:
    """The footprint of something: energy, carbon and cost."""

    kwh: Estimate = NOTHING
    """Energy at the wall: energy of the computers times PUE."""
    operational_g: Estimate = NOTHING
    """Grams of CO2e from the electricity."""
    embodied_g: Estimate = NOTHING
    """Grams of CO2e from making the hardware, in proportion to the time of use."""
    usd: Estimate = NOTHING
    litres: Estimate = NOTHING
    """Water that the data centers evaporate to cool the computers."""

    @classmethod
    def total(cls, impacts: Iterable[Impact]) -> Impact:
        """Return the sum."""
        return sum(impacts, start=cls())

    @property
    def carbon_g(self) -> Estimate:
        """Operational plus embodied carbon: the numerator of the Software Carbon Intensity."""
        return self.operational_g + self.embodied_g

    def by(self, objective: Objective) -> Estimate:
        """Return energy in kWh, carbon in gCO2e or cost in USD."""
        match objective:
            case Objective.ENERGY:
                return self.kwh
            case Objective.CARBON:
                return self.carbon_g
            case Objective.COST:
                return self.usd

    def __add__(self, other: Impact) -> Impact:
        return Impact(
            self.kwh + other.kwh,
            self.operational_g + other.operational_g,
            self.embodied_g + other.embodied_g,
            self.usd + other.usd,
            self.litres + other.litres,
        )

    def __mul__(self, factor: Estimate | float) -> Impact:
        return Impact(
            self.kwh * factor,
            self.operational_g * factor,
            self.embodied_g * factor,
            self.usd * factor,
            self.litres * factor,
        )


@dataclass(frozen=True)
class Component:
    """One part of a deployment, with its footprint in a month (730 hours)."""

    name: str
    basis: str
    """What is counted, in a few words: ``3 x m7g.large.search, 730 h``."""
    idle: Impact
    """Without questions."""
    traffic: Impact
    """With the declared traffic, including the idle part."""
    watches: bool = False
    """Whether it only watches the other parts."""
