"""Whether one option really uses less than another, or the difference is within the noise."""

from __future__ import annotations

from dataclasses import dataclass

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
            return f"too close to call: less in {self.chance:.0%} of the simulations"
        return f"less in {self.chance:.0%} of the simulations"
