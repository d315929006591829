"""Estimates: numbers with a low, a middle and a high value, and what their range means.

A range is meant to contain the true value 9 times of 10. A fact states its range; what is computed
from facts gets its range by simulation (Monte Carlo): each fact has 200 draws, and sums and
products are computed draw by draw. So independent errors partly cancel, and a fact that two numbers
share moves both alike: the difference of two options is not blurred by what they have in common.

The draws are the same in every run. Each fact has its own, spread evenly over its distribution
(Latin hypercube) in an order that follows from its path. The distribution has the middle value as
its median, and the low and high values as its 5th and 95th percentiles. Its logarithm is normal on
each side of the middle; where the low value is zero, the value itself is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import repeat
from operator import add, mul
from statistics import NormalDist, fmean

DRAWS = 200
_NORMAL = NormalDist()
_AT_95 = _NORMAL.inv_cdf(0.95)
_CUT = DRAWS // 20
"""Draws beyond either end of a range."""
_SMALL = 1e-6
"""A low value of so little of the middle value counts as zero."""


@cache
def _scores(seed: str) -> tuple[float, ...]:
    """Return the draws of a normal distribution for ``seed``, 1 at the 95th percentile."""
    scores = [_NORMAL.inv_cdf((index + 0.5) / DRAWS) / _AT_95 for index in range(DRAWS)]
    random.Random(seed).shuffle(scores)
    return tuple(scores)


def _distribution(low: float, mid: float, high: float, seed: str) -> Sequence[float]:
    """Return the draws of a fact, by the distribution that the module describes."""
    if low > _SMALL * mid:
        below, above = mid / low, high / mid
        return [mid * (above if score > 0 else below) ** score for score in _scores(seed)]
    down, up = mid, high - mid
    return [max(0.0, mid + (up if score > 0 else down) * score) for score in _scores(seed)]


def _choice(seed: str, *columns: Iterable[float]) -> Sequence[float]:
    """Return each draw of one of the columns, the one that ``seed`` chooses for it."""
    chosen = [int(_NORMAL.cdf(score * _AT_95) * len(columns)) for score in _scores(seed)]
    # The columns of exact numbers do not end.
    return [row[at] for at, row in zip(chosen, zip(*columns, strict=False), strict=False)]


def _each(function: Callable[..., float], *columns: Iterable[float]) -> Sequence[float]:
    return list(map(function, *columns))


class Estimate:
    """A non-negative quantity with a range, ``low <= mid <= high``. It cannot be changed.

    Sums and products compute the middle value at once. They compute the draws when somebody reads
    an end of the range, because most plans compare middle values only.

    Parameters
    ----------
    low, mid, high
        The ends of the range, and the middle value.

    Raises
    ------
    ValueError
        If the three numbers are out of order, negative or not finite.
    """

    __slots__ = ("_draws", "_high", "_low", "_make", "_parts", "mid")
    mid: float

    def __init__(self, low: float, mid: float, high: float) -> None:
        if not 0 <= low <= mid <= high < float("inf"):
            raise ValueError(f"an estimate needs 0 <= low <= mid <= high, not {low}, {mid}, {high}")
        self.mid = mid
        self._low: float | None = low
        self._high: float | None = high
        self._draws: Sequence[float] | None = None
        self._make: Callable[..., Sequence[float]] | None = None
        self._parts: tuple[Estimate, ...] = ()

    @classmethod
    def _of(cls, mid: float, make: Callable[..., Sequence[float]], *parts: Estimate) -> Estimate:
        """Return a number whose draws ``make`` computes from the draws of ``parts``."""
        made = cls.__new__(cls)
        made.mid, made._low, made._high = mid, None, None
        made._draws, made._make, made._parts = None, make, parts
        return made

    @property
    def draws(self) -> Sequence[float] | None:
        """Its values in the simulation; None for an exact number, or one of unknown origin."""
        waiting = [self]
        while waiting:  # not by recursion: a month is a long chain of sums
            number = waiting[-1]
            missing = [part for part in number._parts if part._make and part._draws is None]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if number._make and number._draws is None:
                number._draws = number._make(*(part._column for part in number._parts))
                number._parts = ()
        return self._draws

    @property
    def _column(self) -> Iterable[float]:
        return self._draws or repeat(self.mid)

    def _find_ends(self) -> tuple[float, float]:
        assert self.draws is not None
        ordered = sorted(self.draws)
        self._low, self._high = min(ordered[_CUT], self.mid), max(ordered[-_CUT - 1], self.mid)
        return self._low, self._high

    @property
    def low(self) -> float:
        """The 5th percentile."""
        return self._find_ends()[0] if self._low is None else self._low

    @property
    def high(self) -> float:
        """The 95th percentile."""
        return self._find_ends()[1] if self._high is None else self._high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Estimate) and self.as_list() == other.as_list()

    def __hash__(self) -> int:
        return hash(tuple(self.as_list()))

    def __deepcopy__(self, memo: object) -> Estimate:
        return self

    def __repr__(self) -> str:
        return f"Estimate({self.low!r}, {self.mid!r}, {self.high!r})"

    @classmethod
    def exact(cls, value: float) -> Estimate:
        """Return an estimate without uncertainty."""
        return cls(value, value, value)

    @classmethod
    def total(cls, estimates: Iterable[Estimate]) -> Estimate:
        """Return the sum; zero for nothing."""
        return sum(estimates, start=cls.exact(0.0))

    @classmethod
    def one_of(cls, estimates: Sequence[Estimate], seed: str) -> Estimate:
        """Return a number that is one of ``estimates``, nobody knows which.

        Parameters
        ----------
        estimates
            All are equally likely. The middle value is the mean of theirs.
        seed
            Names the choice: two numbers with the same seed and order choose alike.
        """
        if len(estimates) == 1:
            return estimates[0]
        mid = fmean(estimate.mid for estimate in estimates)
        return cls._of(mid, partial(_choice, seed), *estimates)

    def drawn(self, seed: str) -> Estimate:
        """Return the number with draws from its distribution, those of ``seed``."""
        if self._is_exact:
            return self
        made = Estimate(self.low, self.mid, self.high)
        made._make = partial(_distribution, self.low, self.mid, self.high, seed)
        return made

    def map(self, function: Callable[[float], float]) -> Estimate:
        """Return ``function`` of the number; the function must rise or fall."""
        if self._make:
            return self._of(function(self.mid), partial(_each, function), self)
        low, high = sorted((function(self.low), function(self.high)))
        return Estimate(low, function(self.mid), high)

    @classmethod
    def combine(cls, function: Callable[..., float], *parts: Estimate) -> Estimate:
        """Return ``function`` of several numbers, draw by draw.

        If the origin of one is unknown, the range is that of all low ends and of all high ends.
        """
        mid = function(*(part.mid for part in parts))
        if all(part._is_exact for part in parts):
            return cls.exact(mid)
        if all(part._make or part._is_exact for part in parts):
            return cls._of(mid, partial(_each, function), *parts)
        low = function(*(part.low for part in parts))
        high = function(*(part.high for part in parts))
        return cls(min(low, mid), mid, max(high, mid))

    @classmethod
    def ends(cls, function: Callable[..., float], *parts: Estimate) -> tuple[float, float]:
        """Return the 5th and 95th percentile of ``function``, which may be infinite."""
        ordered = sorted(map(function, *(part._values() for part in parts)))
        return ordered[_CUT], ordered[-_CUT - 1]

    @property
    def _is_exact(self) -> bool:
        return self._make is None and self._low == self._high

    def _values(self) -> Sequence[float]:
        return self.draws or (self.mid,) * DRAWS

    def __add__(self, other: Estimate) -> Estimate:
        if other._is_exact and not other.mid:
            return self
        return self.combine(add, self, other)

    def __mul__(self, factor: Estimate | float) -> Estimate:
        if isinstance(factor, Estimate):
            return self.combine(mul, self, factor)
        return self.map(partial(mul, factor))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Estimate:
        return self * (1 / divisor)

    def less(self, other: Estimate) -> Estimate:
        """Return the number minus ``other``, at least zero."""
        return self.combine(lambda one, two: max(0.0, one - two), self, other)

    def inverse(self) -> Estimate:
        """Return one divided by the number."""
        return self.map(lambda value: 1 / value)

    def chance_below(self, other: Estimate) -> float:
        """Return the probability that the number is below ``other``, 0 to 1; half if equal."""
        pairs = list(zip(self._values(), other._values(), strict=True))
        return (
            sum(one < two for one, two in pairs) + sum(one == two for one, two in pairs) / 2
        ) / DRAWS

    def as_dict(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return {"low": self.low, "mid": self.mid, "high": self.high}

    def as_list(self) -> list[float]:
        """Return ``[low, mid, high]``, the form in JSON and in the environment of a function."""
        return [self.low, self.mid, self.high]
