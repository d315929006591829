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


@dataclass(frozen=True, slots=True)
class Footprint:
    """The deployment's factors: Wh per 1,000 tokens, Wh per request, gCO2e per kWh."""

    generator_input: Range
    generator_output: Range
    embedding_input: Range
    request: Range
    grid: Range

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Footprint:
        """Read the `FOOTPRINT` object. Raises KeyError, TypeError or ValueError."""
        generator, embedding = factors["generator"], factors["embedding"]
        return cls(
            generator_input=_range(generator, "wh_per_1k_input_tokens"),
            generator_output=_range(generator, "wh_per_1k_output_tokens"),
            embedding_input=_range(embedding, "wh_per_1k_input_tokens"),
            request=_range(factors, "wh_per_request"),
            grid=_range(factors, "gco2e_per_kwh"),
        )

    def energy_wh(self, usage: Usage, *, requests: int = 1) -> Range:
        """Watt-hours of the tokens and of the requests that carried them."""
        return (
            self.request.times(requests)
            + self.generator_input.times(usage.input_tokens / 1000)
            + self.generator_output.times(usage.output_tokens / 1000)
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
