"""Whether one option really uses less than another, or the difference is within the noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sustainability.deployment.schema import Objective
from sustainability.energy.impact import Impact
from sustainability.facts.ranges import Estimate

SURE = 0.9
"""From this probability on, a difference is called one."""


@dataclass(frozen=True)
class Verdict:
    """The comparison of two options that share facts, such as the grid and the traffic.

    Both are simulated with the same draws of every fact that they share, so what they share does
    not blur the difference.
    """

    chance: float
    """Probability that the first option uses less, 0 to 1."""

    @classmethod
    def between(cls, first: Estimate, second: Estimate) -> Verdict:
        """Compare two options by one quantity."""
        return cls(first.chance_below(second))

    @property
    def too_close(self) -> bool:
        """Whether neither option uses less with a probability of ``SURE``."""
        return 1 - SURE < self.chance < SURE

    def __str__(self) -> str:
        if self.too_close:
            return "too close to call"
        less = self.chance > 0.5
        return f"{'less' if less else 'more'}, {self.chance if less else 1 - self.chance:.0%} sure"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One quantity of the chosen option and of another one."""

    quantity: Objective
    chosen: float
    """Middle estimate in kWh, gCO2e or USD."""
    other: float
    verdict: Verdict
    """Whether the chosen option takes less."""

    @property
    def share(self) -> float:
        """How much more the chosen option takes: -0.1 for 10 % less."""
        if not self.other:
            return math.inf if self.chosen else 0.0
        return self.chosen / self.other - 1


def compared(chosen: Impact, other: Impact, optimized: Objective) -> tuple[Compared, ...]:
    """Compare energy, carbon and cost of two options, the ``optimized`` quantity first."""
    return tuple(
        Compared(
            quantity=quantity,
            chosen=chosen.by(quantity).mid,
            other=other.by(quantity).mid,
            verdict=Verdict.between(chosen.by(quantity), other.by(quantity)),
        )
        for quantity in sorted(Objective, key=lambda quantity: quantity is not optimized)
    )


def doubts(others: Mapping[str, tuple[Compared, ...]]) -> str:
    """Return what speaks against the chosen option: ties, and more of both other quantities.

    Parameters
    ----------
    others
        What :func:`compared` returns, by the name of the other option.
    """
    parts = []
    for name, (first, *rest) in others.items():
        if first.verdict.too_close:
            parts.append(f"the difference to {name} in {first.quantity} is too close to call")
        if all(row.share > 0 for row in rest):
            more = " and ".join(f"{row.share:+.0%} {row.quantity}" for row in rest)
            parts.append(f"it takes {more} compared with {name}")
    return ", and ".join(parts)
