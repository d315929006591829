"""How well the traffic section of a deployment file fits a trace, in words."""

from __future__ import annotations

from collections.abc import Iterator

from sustainability.plan.endpoint_targets import copies_of
from sustainability.simulation.batches import BatchCapacity
from sustainability.simulation.trace_fit import CountedFit, Fit


def comments(
    name: str, fit: Fit, cached: float, need: BatchCapacity | None = None
) -> Iterator[str]:
    """Yield lines to stand above the section.

    ``cached`` is the share that the cache answers, ``need`` what batches need, if there are any.
    """
    yield f"Fitted to {name}: {fit.questions:,} questions in {fit.hours:.2f} hours."
    yield (
        f"Rates: ten minutes differ from the mean of their hour by {fit.rate_error:.0%} on average."
    )
    for tokens, error in fit.token_error.items():
        yield (
            f"{tokens}: the declared distribution differs from the trace by up to "
            f"{error:.2f} (0 is the same, below 0.1 is good)."
        )
    yield "Dispersion of the number of questions (1 is at random): " + ", ".join(
        f"{value:.2f} in {window:g} s" for window, value in fit.dispersion.items()
    )
    if fit.batched:
        yield (
            f"Questions come in batches of about {fit.batch:.0f}, within about "
            f"{max(1, round(fit.correlation_s))} s."
        )
        yield (
            "No number of copies was found for them: simulate the trace (simulate --trace)."
            if need is None
            else f"Simulated: {copies_of(need.copies)} keep the service level in the busiest hour. "
            "arrival_variation is such that the plan has as many there."
        )
    if cached:
        yield (
            f"The trace is taken as questions that reach a model. The answer cache answers a "
            f"share of {cached:.2g}: divide the rates by {1 - cached:.2g}."
        )


def counted_comments(name: str, fit: CountedFit, *, cached: float | None) -> Iterator[str]:
    """Yield lines to stand above a section from metrics.

    ``cached`` is the share that the cache answers; None if the metrics count its answers, too.
    """
    yield (
        f"Fitted to {name}: {fit.questions:,} questions in {fit.weeks:.1f} weeks, in "
        f"{fit.hours_of_week} of the 168 hours of a week."
    )
    yield (
        f"Rates: ten minutes differ from the mean of their hour by {fit.rate_error:.0%} on average."
    )
    yield (
        "Metrics have the mean number of tokens, not the spread: p95 is an assumption. They do not "
        "say how questions come within ten minutes: arrival_variation is left out."
    )
    if cached:
        yield (
            f"These questions reached a model. The answer cache will answer a share of "
            f"{cached:.2g}: divide the rates by {1 - cached:.2g}."
        )
