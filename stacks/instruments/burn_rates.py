"""How fast an error budget may burn before somebody is told: multi-window burn rates.

A rate of 1 spends the budget of a month in a month. The windows and shares are those of the Site
Reliability Workbook, chapter 5, for a page: https://sre.google/workbook/alerting-on-slos/
The long window tells that it matters, the short one that it still goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_FAILURES = 3
"""Fewer in a window are a blip, whatever share of a few questions they are."""
_MONTH_H = 30 * 24


@dataclass(frozen=True, kw_only=True)
class BurnRate:
    """A share of a month's budget, spent within the long window."""

    name: str
    budget_share: float
    short_minutes: int
    long_hours: int

    @property
    def rate(self) -> float:
        """Times the rate at which the budget lasts exactly a month."""
        return self.budget_share * _MONTH_H / self.long_hours

    def failing_percent(self, budget: float) -> float:
        """Return the percentage of failures at which ``budget``, the share allowed, burns so fast.

        All failing is always too fast, however large the budget.
        """
        return round(min(100.0, 100 * budget * self.rate), 6)


BURN_RATES = (
    BurnRate(name="Fast", budget_share=0.02, short_minutes=5, long_hours=1),
    BurnRate(name="Slow", budget_share=0.05, short_minutes=30, long_hours=6),
)
