"""The place of computers: carbon intensity of the electricity, PUE, and price level."""

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
    """Return the power usage effectiveness: energy of the data center / energy of its computers."""
    return facts(f"regions/{region}/pue", "ratio")


def water(region: str, facts: Facts) -> Estimate:
    """Return the water usage effectiveness: litres of water for each kWh of the computers.

    AWS states it for most Regions. For the others, the range is that of all Regions. It is the
    water at the data center; :func:`water_at_source` is that of making the electricity.
    """
    stated = f"regions/{region}/wue"
    return facts(stated if facts.has(stated) else "grid/wue_elsewhere", "l/kWh")


def water_at_source(facts: Facts) -> Estimate:
    """Return the litres of water that power plants take for each kWh at the wall."""
    return facts("grid/water_at_source", "l/kWh")


def intensity(region: str, accounting: Accounting, facts: Facts) -> Estimate:
    """Return gCO2e per kWh at the wall, without PUE.

    Location-based: the intensity of the grid of the Region. Its range covers the usual difference
    between the sources, and the value of the second source if the data has it. Market-based: minus
    the share that AWS matched with renewable energy. The Software Carbon Intensity specification
    (ISO/IEC 21031) allows only location-based values.
    """
    # How far sources differ about one grid says nothing about another grid.
    disagreement = facts(_DISAGREEMENT, "ratio").drawn(f"{_DISAGREEMENT}/{region}")
    grid = facts(f"regions/{region}/grid", "gCO2e/kWh") * disagreement
    other = f"grid_electricity_maps/{region}"
    if facts.has(other) and facts.varies(_DISAGREEMENT):
        value = facts(other, "gCO2e/kWh").mid
        grid = Estimate(min(grid.low, value), grid.mid, max(grid.high, value)).drawn(other)
    if accounting is Accounting.LOCATION:
        return grid
    return grid * (1 - facts(f"regions/{region}/matched", "share").mid)


def carbon_of_computing(region: str, accounting: Accounting, facts: Facts) -> Estimate:
    """Return gCO2e per kWh that computers in ``region`` use: carbon intensity x PUE."""
    return intensity(region, accounting, facts) * pue(region, facts)


@dataclass(frozen=True)
class Site:
    """A place where computers run, with its PUE, carbon intensity and price level."""

    pue: Estimate
    gco2e_per_kwh: Estimate
    price_factor: Estimate
    """Prices here divided by those of us-east-1; the price facts are those of us-east-1."""
    facts: Facts
    litres_per_kwh: Estimate = NOTHING
    """Water for each kWh of the computers, without PUE."""

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
            water(region, facts),
        )

    @classmethod
    def of_model(cls, name: str, region: str, accounting: Accounting, facts: Facts) -> Site:
        """Return the place where a Bedrock model that is called from ``region`` runs.

        A cross-Region inference profile can run a request in any Region of its scope, and AWS does
        not say in which. Therefore its ranges cover all of them.
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
            _one_of([site.pue for site in sites], name, facts),
            _one_of([site.gco2e_per_kwh for site in sites], name, facts),
            home.price_factor,
            facts,
            _one_of([site.litres_per_kwh for site in sites], name, facts),
        )

    def impact(
        self,
        it_kwh: Estimate | None = None,
        *,
        embodied_g: Estimate | None = None,
        usd: Estimate | None = None,
    ) -> Impact:
        """Return the footprint at this place.

        Parameters
        ----------
        it_kwh
            IT energy in kWh, without PUE.
        embodied_g
            Grams of CO2e from making the hardware.
        usd
            Cost in USD at us-east-1 prices.
        """
        kwh = (it_kwh or NOTHING) * self.pue
        return Impact(
            kwh=kwh,
            operational_g=kwh * self.gco2e_per_kwh,
            embodied_g=embodied_g or NOTHING,
            usd=(usd or NOTHING) * self.price_factor,
            litres=(it_kwh or NOTHING) * self.litres_per_kwh,
        )


def _one_of(estimates: list[Estimate], seed: str, facts: Facts) -> Estimate:
    if facts.varying is not None:  # the spread between places is no fact's own range
        return Estimate.exact(mean(estimate.mid for estimate in estimates))
    return Estimate.one_of(estimates, seed)
