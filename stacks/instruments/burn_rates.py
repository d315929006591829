"""Multi-window burn rates: how fast an error budget may be spent before a message is sent.

A rate of 1 spends the budget of a month in a month. The windows and shares are those for a page in
the Site Reliability Workbook, chapter 5: https://sre.google/workbook/alerting-on-slos/
The long window shows that the problem is serious, the short one that it is still there.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_FAILURES = 3
"""Fewer failures in a window are ignored, even if they are a large share of few questions."""
_MONTH_H = 30 * 24


@dataclass(frozen=True, kw_only=True)
class BurnRate:
    """A share of the monthly budget that is spent within the long window."""

    name: str
    budget_share: float
    short_minutes: int
    long_hours: int

    @property
    def rate(self) -> float:
        """How many times faster than the rate at which the budget lasts exactly a month."""
        return self.budget_share * _MONTH_H / self.long_hours

    def failing_percent(self, budget: float) -> float:
        """Return the percentage of failures at which ``budget`` burns at this rate.

        ``budget`` is the share that may fail, 0 to 1. The result is at most 100, so that the alarm
        is on if all answers fail, however large the budget is.
        """
        return round(min(100.0, 100 * budget * self.rate), 6)


BURN_RATES = (
    BurnRate(name="Fast", budget_share=0.02, short_minutes=5, long_hours=1),
    BurnRate(name="Slow", budget_share=0.05, short_minutes=30, long_hours=6),
)
