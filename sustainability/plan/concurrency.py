"""How many questions the answer function works on at a time."""

from __future__ import annotations

import math

from sustainability.deployment.schema import MOST_CONCURRENT_ANSWERS, Deployment
from sustainability.energy.repetition import Repetition
from sustainability.facts.lookup import Facts
from sustainability.plan.serving_plan import (
    LEAST_CONCURRENCY,
    Mode,
    ServiceLevelError,
    ServingPlan,
)
from sustainability.plan.situation import Situation

_DEVIATIONS = 3
"""Standard deviations above the mean that random arrivals hardly ever exceed."""


def answer_concurrency(deployment: Deployment, plan: ServingPlan, facts: Facts) -> int:
    """Return the reserved concurrency of the answer function.

    By Little's law, the peak has as many questions under way as come in the time of one answer.

    Raises
    ------
    ServiceLevelError
        If the peak needs more than ``answers.concurrency``, or than any function can have.
    """
    peak = deployment.traffic.peak_per_hour
    under_way = peak / 3600 * _seconds(deployment, plan, facts)
    needed = max(1, math.ceil(under_way + _DEVIATIONS * math.sqrt(under_way)))
    stated = deployment.answers.concurrency
    if needed > MOST_CONCURRENT_ANSWERS:
        raise ServiceLevelError(
            f"traffic: the peak of {peak:,.0f} questions/h keeps {needed:,} answers under way at a "
            f"time; one deployment can have {MOST_CONCURRENT_ANSWERS:,} "
            "(AWS Lambda reserved concurrency). Lower peak_per_hour, or use several deployments"
        )
    if stated is None:
        return max(LEAST_CONCURRENCY, needed)
    if stated < needed:
        raise ServiceLevelError(
            f"answers.concurrency is {stated}, but the peak of {peak:,.0f} questions/h keeps "
            f"{needed} answers under way at a time: state {needed} or more, or leave it out"
        )
    return stated


def request_rate(deployment: Deployment, concurrency: int) -> int:
    """Return how many requests in a second the API lets through on the mean.

    Questions that the cache answers take so little time that few functions answer many. So it is
    not less than random arrivals of the declared peak hardly ever exceed; nor than the concurrency.
    """
    peak = deployment.traffic.peak_per_hour / 3600
    return max(concurrency, math.ceil(peak + _DEVIATIONS * math.sqrt(peak)))


def _seconds(deployment: Deployment, plan: ServingPlan, facts: Facts) -> float:
    """Return the mean seconds that the function works on a question."""
    before = facts("serving/before_generation", "s").mid
    if not deployment.answers.generated or plan.mode in (Mode.ASYNC, Mode.BATCH):
        return before
    situation = Situation.of(deployment, facts)
    generated = 1 - Repetition.of(deployment).kept
    seconds = 0.0
    if plan.bedrock_share:
        each = situation.bedrock_token_s * deployment.answer_tokens.mean
        seconds = situation.seconds("bedrock/first_token") + each
    if plan.max_copies and deployment.service_level.latency_p95 is not None:
        capacity = situation.capacity(deployment.service_level.latency_p95)
        rate = capacity.rate_of(plan.max_copies, deployment.service_level.attainment)
        seconds = max(seconds, capacity.mean.total * capacity.slowdown(plan.max_copies, rate))
    return before + generated * seconds
