"""Where something runs: how much carbon its electricity has, and how much the halls add to it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean as mean

from sustainability.deployment.schema import Accounting
from sustainability.energy.impact import NOTHING, Impact
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.bedrock import ModelName, regions_of

_PRICED_REGION = "us-east-1"
_DISAGREEMENT = "grid/source_disagreement"


def pue(region: str, facts: Facts) -> Estimate:
    """Return power usage effectiveness: energy of the data centre over energy of its computers."""
    return facts(f"regions/{region}/pue", "ratio")


def intensity(region: str, accounting: Accounting, facts: Facts) -> Estimate:
    """Return gCO2e per kWh at the wall, without PUE.

    Location-based is the grid where the Region stands; its range spans what the published sources
    disagree by, and the second source's own figure where that is restated. Market-based takes off
    the share that the provider matched with renewable purchases. The Software Carbon Intensity
    standard (ISO/IEC 21031) admits only the first.
    """
    grid = facts(f"regions/{region}/grid", "gCO2e/kWh") * facts(_DISAGREEMENT, "ratio")
    other = f"grid_electricity_maps/{region}"
    if facts.has(other) and facts.varies(_DISAGREEMENT):
        value = facts(other, "gCO2e/kWh").mid
        grid = Estimate(min(grid.low, value), grid.mid, max(grid.high, value))
    if accounting is Accounting.LOCATION:
        return grid
    return grid * (1 - facts(f"regions/{region}/matched", "share").mid)


@dataclass(frozen=True)
class Site:
    """A place where computers run, and what their energy and time mean there."""

    pue: Estimate
    gco2e_per_kwh: Estimate
    price_factor: Estimate
    """Prices here over those of us-east-1, which is where the price facts are from."""
    facts: Facts

    @classmethod
    def of_region(cls, region: str, accounting: Accounting, facts: Facts) -> Site:
        """Return the site of one Region."""
        return cls(
            pue(region, facts),
            intensity(region, accounting, facts),
            Estimate.exact(1.0)
            if region == _PRICED_REGION
            else facts("prices/other_region", "ratio"),
            facts,
        )

    @classmethod
    def of_model(cls, name: str, region: str, accounting: Accounting, facts: Facts) -> Site:
        """Return where a Bedrock model called from ``region`` runs.

        A cross-Region profile may run a request in any Region of its scope, and nobody is told
        where: its site spans all of them.
        """
        home = cls.of_region(region, accounting, facts)
        parsed = ModelName.parse(name)
        if parsed.scope is None:
            return home
        reachable = [
            place
            for place in regions_of(parsed.model, parsed.scope.upper())
            if facts.has(f"regions/{place}/grid")
        ]
        sites = [cls.of_region(place, accounting, facts) for place in reachable] or [home]
        return cls(
            _span([site.pue for site in sites], facts),
            _span([site.gco2e_per_kwh for site in sites], facts),
            home.price_factor,
            facts,
        )

    def impact(
        self,
        it_kwh: Estimate | None = None,
        *,
        embodied_g: Estimate | None = None,
        usd: Estimate | None = None,
    ) -> Impact:
        """Return the impact of IT energy, of hardware's time and of money at us-east-1 prices."""
        kwh = (it_kwh or NOTHING) * self.pue
        return Impact(
            kwh=kwh,
            operational_g=kwh * self.gco2e_per_kwh,
            embodied_g=embodied_g or NOTHING,
            usd=(usd or NOTHING) * self.price_factor,
        )


def _span(estimates: list[Estimate], facts: Facts) -> Estimate:
    lows, mids, highs = zip(*(estimate.as_list() for estimate in estimates), strict=True)
    if facts.varying is not None:  # the spread between places is no fact's own range
        return Estimate(mean(lows), mean(mids), mean(highs))
    return Estimate(min(lows), mean(mids), max(highs))
