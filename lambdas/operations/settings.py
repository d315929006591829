"""The settings from synth: what to measure, and the footprint of one unit of each quantity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

MEASURES = ("kwh", "operational_g", "embodied_g", "usd")
"""The measures of each quantity: energy at the wall, its carbon, embodied carbon, cost."""

Range = list[float]
"""An estimate: low, mid, high."""


class SettingsError(Exception):
    """An environment variable is missing or broken; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The names of the deployment's resources in CloudWatch (`SOURCES`).

    `group` and `group_id` name the collection group where the store is serverless, `domain` and
    `nodes` are set where it is a domain, `vectors` where it is S3 Vectors.
    `endpoint` and `variant` name the instances where there are any; `endpoint_sleeps` where low
    demand puts them to sleep. `quotes` and `small` say that a quotation, and a smaller model,
    comes before the generator.
    """

    answer: str
    ingest: str
    account: str
    group: str | None = None
    group_id: str | None = None
    domain: str | None = None
    nodes: int | None = None
    vectors: bool = False
    endpoint: str | None = None
    variant: str | None = None
    endpoint_sleeps: bool = False
    quotes: bool = False
    small: bool = False
    quality: bool = False
    """Whether the answers send what tells of their quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an answer or a month may take at most, from a day on (`footprint.targets`)."""

    measure: str
    """`kwh`, `carbon_g`, `usd` or `water_l`."""
    per: str
    """`answer` or `month`, of 730 hours."""
    at_most: float
    by: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a run needs to know."""

    deployment: str
    region: str
    accounting: str
    """`location` or `market`: the kind of carbon intensity in the coefficients."""
    bucket: str
    sources: Sources
    coefficients: Mapping[str, Mapping[str, Range]]
    """By quantity and measure; measures that are zero are left out."""
    added: Mapping[str, Range]
    """What a unit of each quantity adds, as the answers state it: a range of Wh, one of gCO2e."""
    litres_per_kwh: Mapping[str, Range]
    """Water for each kWh of a quantity; `""` is for all others."""
    metrics: tuple[str, ...]
    """The names of the metrics that are sent, because an alarm or graph reads them."""
    targets: tuple[Target, ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings. Raises `SettingsError` naming the variable at fault."""
        try:
            sources = Sources(**_json(environ, "SOURCES"))
        except TypeError as error:
            raise SettingsError(f"SOURCES: {error}") from error
        return cls(
            deployment=_text(environ, "DEPLOYMENT"),
            region=_text(environ, "AWS_REGION"),
            accounting=_text(environ, "ACCOUNTING"),
            bucket=_text(environ, "HISTORY_BUCKET"),
            sources=sources,
            coefficients=_coefficients(_json(environ, "COEFFICIENTS")),
            added=_json(environ, "ADDED"),
            litres_per_kwh=_json(environ, "LITRES_PER_KWH"),
            metrics=tuple(environ.get("METRICS", "").split()),
            targets=_targets(_json(environ, "TARGETS")),
        )


def _coefficients(given: Mapping[str, list[Range]]) -> Mapping[str, Mapping[str, Range]]:
    """Read a range for each measure of each quantity; empty is zero."""
    found: dict[str, Mapping[str, Range]] = {}
    for quantity, ranges in given.items():
        if len(ranges) != len(MEASURES):
            raise SettingsError(f"COEFFICIENTS: {quantity}: {ranges!r}")
        measures = {m: value for m, value in zip(MEASURES, ranges, strict=True) if value}
        for measure, value in measures.items():
            if len(value) != 3 or not 0 <= value[0] <= value[2]:
                raise SettingsError(f"COEFFICIENTS: {quantity}: {measure}: {value!r}")
        found[quantity] = measures
    return found


def _targets(given: Sequence[Any]) -> tuple[Target, ...]:
    try:
        return tuple(
            Target(measure=measure, per=per, at_most=at_most, by=date.fromisoformat(by))
            for measure, per, at_most, by in given
        )
    except (TypeError, ValueError) as error:
        raise SettingsError(f"TARGETS: {error}") from error


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name}: not set")
    return value


def _json(environ: Mapping[str, str], name: str) -> Any:
    try:
        return json.loads(_text(environ, name))
    except ValueError as error:
        raise SettingsError(f"{name}: not JSON: {error}") from error
