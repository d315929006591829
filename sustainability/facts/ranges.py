"""Estimates: numbers with a low, a middle and a high value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A non-negative quantity with a range, ``low <= mid <= high``.

    Sums and products combine all low values and all high values. This range is wider than
    independent errors would give. It is intended, because the coefficients of one method have
    errors in the same direction.

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
        """Return the sum; zero for an empty list."""
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

    def inverse(self) -> Estimate:
        """Return one divided by it: the low end becomes the high one."""
        return Estimate(1 / self.high, 1 / self.mid, 1 / self.low)

    def as_list(self) -> list[float]:
        """Return ``[low, mid, high]``, the form in JSON and in the environment of a function."""
        return [self.low, self.mid, self.high]
