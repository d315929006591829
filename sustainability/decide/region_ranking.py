"""The ranking of Regions by the carbon of one kWh of computing, with their services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sustainability.decide.region_obstacles import broken_limits, missing
from sustainability.deployment.schema import Accounting, Deployment
from sustainability.energy.site import carbon_of_computing, pue, water
from sustainability.energy.verdict import Verdict
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint.footprint import footprint
from sustainability.offers.bedrock import IN_REGION, ModelName, access, models_in
from sustainability.offers.region_map import Place, place, places, timezone_coordinates
from sustainability.offers.region_services import (
    INFERENCE_COMPONENT,
    SEARCH_COLLECTION,
    has_inferentia2,
    has_resource,
)
from sustainability.plan.serving_plan import ServingPlan

_HALF_MORE = 1.5
"""Sources that differ by this factor are told of."""


@dataclass(frozen=True)
class Region:
    """A Region, its carbon per kWh of computing, and its services."""

    place: Place
    rank: int
    """1 has the lowest carbon, by the values of Ember."""
    gco2e_per_it_kwh: Estimate
    """Carbon intensity of the electricity times PUE."""
    litres_per_it_kwh: Estimate
    """Water at the data centers for each kWh of computing."""
    other_rank: int | None
    """Rank by the value of Electricity Maps, if the data has one and the rank differs."""
    disagreement: str | None
    """What Electricity Maps says instead, if the two sources differ by half or more."""
    after: Verdict | None
    """Whether the Region above in the ranking really has less carbon; None for the first."""
    inferentia2: bool
    inference_components: bool | None
    serverless_search: bool | None
    models: tuple[int, int]
    """Bedrock models that can be called, and how many of them run in the Region."""

    @property
    def name(self) -> str:
        """The code of the Region, such as ``eu-north-1``."""
        return self.place.region


@dataclass(frozen=True)
class Fit:
    """A deployment in a Region: obstacles, distances, and the change in carbon."""

    region: Region
    obstacles: tuple[str, ...]
    """Needs that the Region does not meet. If empty, the deployment can move there."""
    notes: tuple[str, ...]
    users_km: float | None
    """Distance from the city of the traffic's time zone; ``None`` if the zone has no city."""
    data_km: float
    """Distance from the current Region, where the documents are."""
    carbon_change: float
    """Relative change of the monthly carbon after a move: -0.4 saves 40 %."""
    verdict: Verdict
    """Whether a month there really has less carbon than in the current Region."""


def rank_regions(accounting: Accounting = Accounting.LOCATION) -> list[Region]:
    """Return all Regions, the one with the lowest carbon first."""
    facts = Facts()
    carbon = {name: carbon_of_computing(name, accounting, facts) for name in places()}
    first = {name: value.mid for name, value in carbon.items()}
    second = dict(first)
    if accounting is Accounting.LOCATION:
        for name in places():
            path = f"grid_electricity_maps/{name}"
            if facts.has(path):
                second[name] = facts(path, "gCO2e/kWh").mid * pue(name, facts).mid
    ranks, other_ranks = _ranks(first), _ranks(second)
    ordered = sorted(carbon, key=lambda name: ranks[name])
    above = dict(zip(ordered[1:], ordered, strict=False))
    return [
        Region(
            place=place(name),
            rank=ranks[name],
            gco2e_per_it_kwh=carbon[name],
            litres_per_it_kwh=water(name, facts),
            other_rank=other_ranks[name]
            if second[name] != first[name] and other_ranks[name] != ranks[name]
            else None,
            disagreement=_disagreement(name, facts),
            after=Verdict.between(carbon[above[name]], carbon[name]) if name in above else None,
            inferentia2=has_inferentia2(name),
            inference_components=has_resource(name, INFERENCE_COMPONENT),
            serverless_search=has_resource(name, SEARCH_COLLECTION),
            models=models_in(name),
        )
        for name in ordered
    ]


def _disagreement(region: str, facts: Facts) -> str | None:
    """Return both values of the grid if they differ by half: a state has imports, or parts."""
    path = f"grid_electricity_maps/{region}"
    if not facts.has(path):
        return None
    state, zone = facts(f"regions/{region}/grid", "gCO2e/kWh").mid, facts(path, "gCO2e/kWh").mid
    if max(state, zone) < _HALF_MORE * min(state, zone):
        return None
    return (
        f"sources disagree: {state:,.0f} g/kWh for the state or country (Ember), {zone:,.0f} for "
        "the grid zone with its imports (Electricity Maps)"
    )


def _ranks(values: Mapping[str, float]) -> dict[str, int]:
    ordered = sorted(values, key=lambda name: (values[name], name))
    return {name: number for number, name in enumerate(ordered, start=1)}


def fit_regions(deployment: Deployment, plan: ServingPlan) -> list[Fit]:
    """Return obstacles and carbon of ``deployment``, served by ``plan``, in each Region.

    The Region with the lowest carbon comes first.

    Raises
    ------
    PlaceError
        If the Region of the deployment is not known.
    """
    home = place(deployment.region)
    users = timezone_coordinates(deployment.traffic.timezone)
    present = footprint(deployment, plan).traffic.carbon_g
    fits = []
    for region in rank_regions(deployment.footprint.accounting):
        moved = deployment.model_copy(update={"region": region.name})
        carbon = footprint(moved, plan).traffic.carbon_g
        fits.append(
            Fit(
                region=region,
                obstacles=tuple(
                    each.short for each in (*broken_limits(moved), *missing(moved, plan))
                ),
                notes=tuple(_notes(deployment, region)),
                users_km=None if users is None else users.km_to(region.place.coordinates),
                data_km=home.coordinates.km_to(region.place.coordinates),
                carbon_change=carbon.mid / present.mid - 1 if present.mid else 0.0,
                verdict=Verdict.between(carbon, present),
            )
        )
    return fits


def _notes(deployment: Deployment, region: Region) -> list[str]:
    generator = ModelName.parse(deployment.answers.generator)
    found = [] if region.disagreement is None else [region.disagreement]
    if generator.scope is not None:
        found.append("requests can run in another Region")
    else:
        ways = access(generator.model, region.name)
        if ways and IN_REGION not in ways:
            found.append(
                f"{generator.model} only by inference profile ({', '.join(sorted(ways))}), which "
                "can run in another Region"
            )
    return found
