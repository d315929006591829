"""Energy, carbon and money of something, each within a range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sustainability.facts.ranges import Estimate

HOURS_PER_MONTH = 730
NOTHING = Estimate.exact(0.0)


@dataclass(frozen=True)
class Impact:
    """What something takes, over a month or over an answer."""

    kwh: Estimate = NOTHING
    """At the wall: energy of the computers times PUE."""
    operational_g: Estimate = NOTHING
    """Grams of CO2e from making that electricity."""
    embodied_g: Estimate = NOTHING
    """Grams of CO2e from making the hardware, shared by time of use."""
    usd: Estimate = NOTHING

    @classmethod
    def total(cls, impacts: Iterable[Impact]) -> Impact:
        """Return the sum."""
        return sum(impacts, start=cls())

    @property
    def carbon_g(self) -> Estimate:
        """Operational and embodied: the numerator of the Software Carbon Intensity."""
        return self.operational_g + self.embodied_g

    def __add__(self, other: Impact) -> Impact:
        return Impact(
            self.kwh + other.kwh,
            self.operational_g + other.operational_g,
            self.embodied_g + other.embodied_g,
            self.usd + other.usd,
        )

    def __mul__(self, factor: Estimate | float) -> Impact:
        return Impact(
            self.kwh * factor,
            self.operational_g * factor,
            self.embodied_g * factor,
            self.usd * factor,
        )


@dataclass(frozen=True)
class Component:
    """One part of a deployment, over a month of 730 hours."""

    name: str
    basis: str
    """What was counted, in a few words: ``3 x m7g.large.search, 730 h``."""
    idle: Impact
    """When nobody asks anything."""
    traffic: Impact
    """Under the declared traffic, the idle part included."""
