"""The idle floor of templates as JSON and as text."""

from __future__ import annotations

from typing import Any

from sustainability.footprint.idle_floor import Floor
from sustainability.report.text import amount, spread, table


def as_json(floor: Floor) -> dict[str, Any]:
    """Return the whole report as plain data. Every range is ``[low, mid, high]``."""
    return {
        "region": floor.region,
        "kwh_per_month": floor.total.kwh.as_list(),
        "carbon_gco2e_per_month": floor.total.carbon_g.as_list(),
        "usd_per_month": floor.total.usd.as_list(),
        "components": [
            {
                "name": component.name,
                "basis": component.basis,
                "kwh_per_month": component.idle.kwh.as_list(),
                "carbon_gco2e_per_month": component.idle.carbon_g.as_list(),
                "usd_per_month": component.idle.usd.as_list(),
            }
            for component in floor.components
        ],
        "unpriced": list(floor.unpriced),
        "not_known": list(floor.not_known),
        "asleep": floor.asleep,
    }


def as_text(floor: Floor) -> str:
    """Return the report for a terminal."""
    rows = [
        (
            component.name,
            component.basis,
            amount(component.idle.kwh.mid),
            amount(component.idle.carbon_g.mid),
            "?" if component.name in floor.unpriced else f"{component.idle.usd.mid:,.2f}",
        )
        for component in floor.components
    ]
    total = floor.total
    lines = [
        f"Idle floor per month in {floor.region}, location-based carbon. The table shows middle "
        "estimates; ranges are below it.",
        "",
    ]
    if rows:
        lines += [table(("resource", "what is counted", "kWh", "gCO2e", "USD"), rows, left=2), ""]
    lines += [
        f"total {spread(total.kwh)} kWh, {spread(total.carbon_g)} gCO2e, {spread(total.usd)} USD",
        f"{floor.asleep} resources use nothing while idle",
    ]
    for heading, entries in (
        ("Counted, but without a price in sustainability/facts/data", floor.unpriced),
        ("Not counted", floor.not_known),
    ):
        if entries:
            lines += ["", heading, *(f"  {entry}" for entry in entries)]
    return "\n".join(lines)
