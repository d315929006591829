"""Numbers with a range: every estimate carries low, mid and high."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A non-negative quantity known within a range, ``low <= mid <= high``.

    Sums and products take the ends together (all low, all high). That is wider than independent
    errors would give, and it is meant to be: the coefficients of one method err together.

    Raises
    ------
    ValueError
        If the three numbers are out of order, negative or not finite.
    """

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.mid <= self.high < float("inf"):
            raise ValueError(
                "an estimate needs 0 <= low <= mid <= high, "
                f"not {self.low}, {self.mid}, {self.high}"
            )

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """Return an estimate without uncertainty."""
        return cls(value, value, value)

    @classmethod
    def total(cls, estimates: list[Estimate]) -> Estimate:
        """Return the sum; zero of an empty list."""
        return sum(estimates, start=cls.exact(0.0))

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def __mul__(self, factor: Estimate | float) -> Estimate:
        if isinstance(factor, Estimate):
            return Estimate(self.low * factor.low, self.mid * factor.mid, self.high * factor.high)
        return Estimate(self.low * factor, self.mid * factor, self.high * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Estimate:
        return self * (1 / divisor)

    def as_list(self) -> list[float]:
        """Return ``[low, mid, high]``, the form that crosses into a Lambda's environment."""
        return [self.low, self.mid, self.high]
