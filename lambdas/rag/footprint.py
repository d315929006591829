"""What one request adds, and its share: the factors come from the deployment, here is arithmetic.

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

    def times(self, factor: float) -> Range:
        """Scale by a known number."""
        return Range(self.low * factor, self.mid * factor, self.high * factor)

    def as_json(self) -> dict[str, float]:
        """Return the range for a response, rounded to six significant digits."""
        return {name: float(f"{value:.6g}") for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one request made the deployment do.

    `awake_s` and `endpoint_awake_s` are the seconds for which it keeps a store, and an endpoint,
    awake that would sleep without it. The tokens of a smaller model that was asked first are
    counted apart.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    small_input_tokens: int = 0
    small_output_tokens: int = 0
    embedding_tokens: int = 0
    searches: int = 0
    awake_s: float = 0
    endpoint_awake_s: float = 0
    by_endpoint: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What something takes: Wh at the wall, gCO2e, litres of water and USD.

    The carbon is that of the energy and of making the hardware.
    """

    energy_wh: Range
    carbon_g: Range
    water_l: Range
    cost_usd: Range

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Taken:
        """Read `wh`, `gco2e`, `l` and `usd`."""
        return cls(*(_range(factors, name) for name in ("wh", "gco2e", "l", "usd")))

    def __add__(self, other: Taken) -> Taken:
        return Taken(
            self.energy_wh + other.energy_wh,
            self.carbon_g + other.carbon_g,
            self.water_l + other.water_l,
            self.cost_usd + other.cost_usd,
        )

    def times(self, factor: float) -> Taken:
        """Scale by a known number."""
        return Taken(
            self.energy_wh.times(factor),
            self.carbon_g.times(factor),
            self.water_l.times(factor),
            self.cost_usd.times(factor),
        )

    def as_json(self) -> dict[str, dict[str, float]]:
        """Return the ranges for a response."""
        return {
            "energy_wh": self.energy_wh.as_json(),
            "carbon_gco2e": self.carbon_g.as_json(),
            "water_l": self.water_l.as_json(),
            "cost_usd": self.cost_usd.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Generating:
    """What a generator takes to read and to write 1,000 tokens, and to be awake for a second.

    `rests_after_s` is how long an endpoint stays awake after an answer, and 0 where demand does not
    put it to sleep: then its idle time is part of its tokens, as planned.
    """

    reading: Taken
    writing: Taken
    awake: Taken | None = None
    rests_after_s: float = 0

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Generating:
        """Read a generator's factors."""
        awake = factors.get("awake")
        return cls(
            Taken.parse(factors["reading"]),
            Taken.parse(factors["writing"]),
            awake and Taken.parse(awake),
            float(factors.get("rests_after_s", 0)),
        )


@dataclass(frozen=True, slots=True)
class Footprint:
    """The deployment's factors. `endpoint` is None where there is none of one's own.

    `small` is None where no smaller model is asked first.

    `rests_after_s` is how long the store stays awake after a request, and 0 where it never sleeps.
    `share` is stated as it is: what the deployment takes in a month, for each answer.
    """

    bedrock: Generating
    endpoint: Generating | None
    small: Generating | None
    embedding: Taken
    request: Taken
    search: Taken
    awake: Taken
    rests_after_s: float
    share: Mapping[str, Any]

    @classmethod
    def parse(cls, factors: Mapping[str, Any]) -> Footprint:
        """Read the `FOOTPRINT` object. Raises KeyError, TypeError or ValueError."""
        endpoint, small = factors.get("endpoint"), factors.get("small")
        return cls(
            bedrock=Generating.parse(factors["bedrock"]),
            endpoint=endpoint and Generating.parse(endpoint),
            small=small and Generating.parse(small),
            embedding=Taken.parse(factors["embedding"]),
            request=Taken.parse(factors["request"]),
            search=Taken.parse(factors["search"]),
            awake=Taken.parse(factors["awake"]),
            rests_after_s=float(factors["rests_after_s"]),
            share=dict(factors["share"]),
        )

    def added(self, usage: Usage, *, requests: int = 1) -> Taken:
        """Return what these requests add to what the deployment would take without them."""
        generator = (usage.by_endpoint and self.endpoint) or self.bedrock
        added = (
            self.request.times(requests)
            + self.search.times(usage.searches)
            + self.awake.times(usage.awake_s)
            + generator.reading.times(usage.input_tokens / 1000)
            + generator.writing.times(usage.output_tokens / 1000)
            + self.embedding.times(usage.embedding_tokens / 1000)
        )
        if self.small is not None:
            added += self.small.reading.times(usage.small_input_tokens / 1000)
            added += self.small.writing.times(usage.small_output_tokens / 1000)
        if generator.awake is None:
            return added
        return added + generator.awake.times(usage.endpoint_awake_s)


def _range(factors: Mapping[str, Any], name: str) -> Range:
    values = factors[name]
    if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2]:
        raise ValueError(f"{name}: must be [low, mid, high], ascending, is {values!r}")
    return Range(*(float(value) for value in values))
