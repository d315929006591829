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
class Footprint:
    """The deployment's factors: Wh per 1,000 tokens, Wh per request, gCO2e per kWh."""

    generator_input: Range
    generator_output: Range
    endpoint_input: Range
    endpoint_output: Range
    embedding_input: Range
    request: Range
    grid: Range

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Footprint:
        """Read the `FOOTPRINT` object. Raises KeyError, TypeError or ValueError."""
        generator, embedding = factors["generator"], factors["embedding"]
        # Factors of an endpoint of one's own are optional: per token they depend on how busy it is.
        endpoint = factors.get("endpoint", generator)
        return cls(
            generator_input=_range(generator, "wh_per_1k_input_tokens"),
            generator_output=_range(generator, "wh_per_1k_output_tokens"),
            endpoint_input=_range(endpoint, "wh_per_1k_input_tokens"),
            endpoint_output=_range(endpoint, "wh_per_1k_output_tokens"),
            embedding_input=_range(embedding, "wh_per_1k_input_tokens"),
            request=_range(factors, "wh_per_request"),
            grid=_range(factors, "gco2e_per_kwh"),
        )

    def energy_wh(self, usage: Usage, *, requests: int = 1) -> Range:
        """Watt-hours of the tokens and of the requests that carried them."""
        read, written = (
            (self.endpoint_input, self.endpoint_output)
            if usage.by_endpoint
            else (self.generator_input, self.generator_output)
        )
        return (
            self.request.times(requests)
            + read.times(usage.input_tokens / 1000)
            + written.times(usage.output_tokens / 1000)
            + self.embedding_input.times(usage.embedding_tokens / 1000)
        )

    def carbon_g(self, energy_wh: Range) -> Range:
        """Grams of CO2 equivalent of that energy on the deployment's grid."""
        return (energy_wh * self.grid).times(1 / 1000)


def _range(factors: Mapping[str, Any], name: str) -> Range:
    values = factors[name]
    if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2]:
        raise ValueError(f"{name}: must be [low, mid, high], ascending, is {values!r}")
    return Range(*(float(value) for value in values))
