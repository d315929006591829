"""Energy and carbon of one request: the factors come from the deployment, here is only arithmetic.

Every factor is a range (low, mid, high), because each is an estimate; ranges are added and
multiplied end by end, so the result is as wide as its sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate: lowest, likeliest and highest value in the same unit."""

    low: float
    mid: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        return Range(self.low * other.low, self.mid * other.mid, self.high * other.high)

    def times(self, factor: float) -> Range:
        """Scale by a known number."""
        return Range(self.low * factor, self.mid * factor, self.high * factor)

    def as_json(self) -> dict[str, float]:
        """Return the range for a response, rounded to six significant digits."""
        return {name: float(f"{value:.6g}") for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that one request made the models process."""

    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int = 0
    by_endpoint: bool = False


@dataclass(frozen=True, slots=True)
class Generating:
    """The footprint of a generator: Wh per 1,000 input and output tokens, and gCO2e per kWh."""

    reading: Range
    writing: Range
    grid: Range

    @classmethod
    def parse(cls, factors: Mapping[str, Any], grid: Range) -> Generating:
        """Read a generator's factors."""
        return cls(
            reading=_range(factors, "wh_per_1k_input_tokens"),
            writing=_range(factors, "wh_per_1k_output_tokens"),
            grid=grid,
        )


@dataclass(frozen=True, slots=True)
class Footprint:
    """The deployment's factors. `endpoint` is None without a SageMaker endpoint."""

    bedrock: Generating
    endpoint: Generating | None
    embedding: Range
    request: Range

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Footprint:
        """Read the `FOOTPRINT` object. Raises KeyError, TypeError or ValueError."""
        endpoint = factors.get("endpoint")
        return cls(
            bedrock=Generating.parse(factors["generator"], _range(factors, "gco2e_per_kwh")),
            endpoint=endpoint and Generating.parse(endpoint, _range(endpoint, "gco2e_per_kwh")),
            embedding=_range(factors["embedding"], "wh_per_1k_input_tokens"),
            request=_range(factors, "wh_per_request"),
        )

    def energy_wh(self, usage: Usage, *, requests: int = 1) -> Range:
        """Watt-hours of the tokens and of the requests that carried them."""
        generator = self._generator(usage)
        return (
            self.request.times(requests)
            + generator.reading.times(usage.input_tokens / 1000)
            + generator.writing.times(usage.output_tokens / 1000)
            + self.embedding.times(usage.embedding_tokens / 1000)
        )

    def carbon_g(self, usage: Usage, *, requests: int = 1) -> Range:
        """Grams of CO2 equivalent of that energy on the grid where the generator runs."""
        energy = self.energy_wh(usage, requests=requests)
        return (energy * self._generator(usage).grid).times(1 / 1000)

    def _generator(self, usage: Usage) -> Generating:
        return (usage.by_endpoint and self.endpoint) or self.bedrock


def _range(factors: Mapping[str, Any], name: str) -> Range:
    values = factors[name]
    if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2]:
        raise ValueError(f"{name}: must be [low, mid, high], ascending, is {values!r}")
    return Range(*(float(value) for value in values))
