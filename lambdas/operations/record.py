"""The record of one hour: what was used, its footprint, and the footprint of each answer."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from operations.measures import count
from operations.settings import MEASURES, Range, Settings

Record = dict[str, Any]

_NOTHING: Range = [0.0, 0.0, 0.0]


def record(hour: datetime, values: Mapping[str, float], settings: Settings) -> Record:
    """Return the record of an hour with these CloudWatch `values`.

    Every range is `[low, mid, high]`; numbers have six significant digits.
    """
    counted = count(values, settings.sources)
    coefficients = settings.coefficients
    parts = {
        quantity: {
            measure: [amount * end for end in coefficients[quantity].get(measure, _NOTHING)]
            for measure in MEASURES
        }
        for quantity, amount in counted.usage.items()
    }
    taken = {measure: _sum(part[measure] for part in parts.values()) for measure in MEASURES}
    taken["water_l"] = _sum(
        [kwh * litres for kwh, litres in zip(part["kwh"], _litres(quantity, settings), strict=True)]
        for quantity, part in parts.items()
    )
    taken["carbon_g"] = _sum([taken["operational_g"], taken["embodied_g"]])
    asked = {
        measure: _sum(
            [amount * end / per for end in settings.added[quantity][part]]
            for quantity, amount in counted.added.items()
            if quantity in settings.added
        )
        for measure, part, per in (("kwh", slice(3), 1000), ("carbon_g", slice(3, 6), 1))
    }
    thousands = (counted.tokens["input"] + counted.tokens["output"]) / 1000
    found: Record = _rounded(
        {
            "hour": hour.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "deployment": settings.deployment,
            "region": settings.region,
            "accounting": settings.accounting,
            "coefficients": _digest(coefficients),
            "answers": counted.answers,
            "tokens": counted.tokens,
            "quality": counted.quality,
            "usage": counted.usage,
            "taken": taken,
            # Taken is what questions added, as their answers state it, plus what nobody asked for.
            # A store stays awake after the hour of its last question, so the rest may be negative.
            "added_by_questions": asked,
            "unasked": {
                measure: [all_ - part for all_, part in zip(taken[measure], ends, strict=True)]
                for measure, ends in asked.items()
            },
            "taken_by": {
                quantity: {
                    "kwh": part["kwh"][1],
                    "carbon_g": part["operational_g"][1] + part["embodied_g"][1],
                    "usd": part["usd"][1],
                }
                for quantity, part in parts.items()
            },
            "per_answer": _each(taken, counted.answers["answered"]),
            "per_1000_tokens": _each(taken, thousands),
            "utilization": counted.utilization,
            "missing": counted.missing,
        }
    )
    return found


def metrics(record: Record) -> dict[str, float]:
    """Return the metrics of a record by name; `metrics.csv` states when each is written."""
    taken = record["taken"]
    values = {
        "TotalEnergyWhMid": taken["kwh"][1] * 1000,
        "TotalCarbonGramsMid": taken["carbon_g"][1],
        "TotalCostUsdMid": taken["usd"][1],
    }
    for name, share in record["utilization"].items():
        if share is not None:
            values[f"{name.capitalize()}Utilization"] = share * 100
    return values


@cache
def units() -> dict[str, str]:
    """Return the CloudWatch unit of each metric, from `metrics.csv`."""
    with (Path(__file__).parent / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row["unit"] for row in csv.DictReader(file)}


def _litres(quantity: str, settings: Settings) -> Range:
    """Return the water for each kWh of a quantity."""
    return settings.litres_per_kwh.get(quantity, settings.litres_per_kwh[""])


def _sum(ranges: Iterable[Range]) -> Range:
    return [sum(ends) for ends in zip(*ranges, strict=True)]


def _each(taken: Mapping[str, Range], number: float) -> dict[str, Range] | None:
    if not number:
        return None
    measures = ("kwh", "carbon_g", "water_l", "usd")
    return {measure: [end / number for end in taken[measure]] for measure in measures}


def _digest(coefficients: Mapping[str, Any]) -> str:
    """Identify the coefficients: a step between records of two sets is no change of behaviour."""
    return hashlib.sha256(json.dumps(coefficients, sort_keys=True).encode()).hexdigest()[:8]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value
