"""A plan as a policy to replay, and the policies that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sustainability.plan.capacity import Capacity
from sustainability.plan.serving_plan import DemandThreshold, Mode, ScheduledAction, ServingPlan
from sustainability.plan.situation import Situation
from sustainability.plan.week import (
    QUARTER_S,
    quarters,
    started_ahead,
)
from sustainability.simulation.autoscaling import (
    Autoscaler,
    Bounds,
    DemandAlarm,
    Metric,
    QueueScaler,
    TargetTracking,
    WindowScaler,
)
from sustainability.simulation.engine import Bedrock, Endpoint, Scaler
from sustainability.simulation.traffic import WEEK_SECONDS

AWS_ADVICE = 0.7
"""Share of what a copy can carry that target tracking is told to keep by default."""


@dataclass(frozen=True)
class Policy:
    """A way to scale an endpoint. ``scaler`` makes a fresh one for each replay."""

    name: str
    scaler: Callable[[], Scaler]
    initial_copies: int = 0


def endpoint_of(situation: Situation, plan: ServingPlan, capacity: Capacity) -> Endpoint:
    """Return what serves by ``plan``."""
    bedrock = None
    if situation.bedrock and plan.mode not in (Mode.ASYNC, Mode.BATCH):
        bedrock = Bedrock(
            first_token=situation.seconds("bedrock/first_token"),
            first_token_p95=situation.facts("serving/bedrock/first_token", "s").high,
            per_token=situation.bedrock_token_s,
            token_variation=situation.facts("serving/bedrock/token_variation", "ratio").mid,
        )
    return Endpoint(
        slots=situation.model.slots,
        prefill_per_token=situation.model.prefill.mid,
        decode_per_token=situation.model.decode.mid,
        cold_start=situation.seconds("cold_start"),
        release=situation.seconds("release") if plan.inference_components else 0.0,
        copies_per_instance=max(1, plan.copies_per_instance),
        limit=situation.promised_s,
        patience=math.inf if plan.patience_s is None else plan.patience_s,
        long_answer=capacity.long.total,
        longest_prompt=situation.model.sequence_length - situation.deployment.answers.max_tokens,
        bedrock=bedrock,
        shared_queue=plan.mode in (Mode.ASYNC, Mode.BATCH),
    )


def planned(plan: ServingPlan, start: float = 0.0) -> Policy:
    """Return the plan as it is deployed, for traffic from second ``start`` of the week."""
    bounds = _bounds(plan)
    initial = [bound.minimum for bound in bounds if bound.time <= start % WEEK_SECONDS][-1]

    def scaler() -> Scaler:
        if plan.batch:
            return WindowScaler(
                [hour * 3600.0 for hour in plan.batch.hours], plan.max_copies, start
            )
        if plan.target_backlog is not None:
            return QueueScaler(plan.target_backlog, plan.max_copies, plan.backlog_minutes * 60.0)
        tracking = []
        if plan.target_invocations_per_minute is not None:
            tracking.append(TargetTracking(Metric.INVOCATIONS, plan.target_invocations_per_minute))
        if plan.target_concurrency is not None:
            tracking.append(TargetTracking(Metric.CONCURRENT_REQUESTS, plan.target_concurrency))
        return Autoscaler(
            bounds,
            initial,
            tracking,
            wake=_alarm(plan.wake, above=True),
            wake_copies=plan.wake_copies,
            sleep=_alarm(plan.sleep, above=False),
            in_cooldown=plan.scale_in_cooldown_s,
            start=start,
        )

    return Policy(f"plan ({plan.mode})", scaler, initial)


def static(copies: int) -> Policy:
    """Return the policy of as many copies as the peak needs, all the time."""
    return Policy("static peak", lambda: lambda _: copies, copies)


def bedrock_alone() -> Policy:
    """Return the policy of no copies at all."""
    return Policy("Bedrock alone", lambda: lambda _: 0)


def tracking(
    name: str, metric: Metric, target: float, *, least: int, most: int, initial: int
) -> Policy:
    """Return the policy of target tracking alone."""
    return Policy(
        name,
        lambda: Autoscaler([Bounds(0.0, least, most)], initial, [TargetTracking(metric, target)]),
        initial,
    )


def scheduled(copies: Sequence[int], cold_start: float, start: float = 0.0) -> Policy:
    """Return the policy of a schedule alone: so many ``copies`` in each quarter of an hour."""
    ahead = started_ahead(copies, math.ceil(cold_start / QUARTER_S))
    bounds = [Bounds(number * QUARTER_S, count, count) for number, count in enumerate(ahead)]
    initial = ahead[int(start // QUARTER_S) % len(ahead)]
    return Policy("schedule alone", lambda: Autoscaler(bounds, initial, start=start), initial)


def aws_default(situation: Situation, capacity: Capacity, most: int) -> Policy:
    """Return the policy of target tracking as AWS advises it, up to ``most`` copies."""
    alone = _load_tested(capacity).rate_of(1, situation.deployment.service_level.attainment)
    return tracking(
        "AWS default: invocations, 60 s, 70 %",
        Metric.INVOCATIONS,
        AWS_ADVICE * alone * 60,
        least=1,
        most=most,
        initial=_by_the_means(situation, capacity, most)[0],
    )


def baselines(
    situation: Situation, capacity: Capacity, most: int, start: float = 0.0
) -> list[Policy]:
    """Return what a plan of a real-time endpoint is compared with, up to ``most`` copies each."""
    attainment = situation.deployment.service_level.attainment
    peak = max(rate.peak_per_hour for rate in situation.week)
    copies = _by_the_means(situation, capacity, most)
    tested = _load_tested(capacity)
    alone = tested.rate_of(1, attainment)
    return [
        static(capacity.copies_for(peak / 3600, attainment, most) or most),
        aws_default(situation, capacity, most),
        tracking(
            "target tracking alone: concurrency, 10 s",
            Metric.CONCURRENT_REQUESTS,
            alone * tested.mean.total * tested.slowdown(1, alone),
            least=1,
            most=most,
            initial=copies[0],
        ),
        scheduled(copies, situation.seconds("cold_start"), start),
    ]


def _load_tested(capacity: Capacity) -> Capacity:
    """Return what a load test of one copy finds, whose questions come one by one."""
    return replace(capacity, arrival_variation=1.0)


def _by_the_means(situation: Situation, capacity: Capacity, most: int) -> list[int]:
    """Return how many copies each quarter needs for its mean."""
    attainment = situation.deployment.service_level.attainment
    return [
        capacity.copies_for(mean / 3600, attainment, most) or most
        for mean in quarters([rate.mean_per_hour for rate in situation.week])
    ]


def _alarm(threshold: DemandThreshold | None, *, above: bool) -> DemandAlarm | None:
    if threshold is None:
        return None
    return DemandAlarm(
        threshold.questions_per_period, threshold.period_s, threshold.datapoints, above
    )


def _bounds(plan: ServingPlan) -> list[Bounds]:
    """Return the course of the bounds over a week; at its start, those of its end apply."""
    changes = sorted(
        Bounds(_second_of_week(day, action), action.min_copies, action.max_copies)
        for action in plan.schedule
        for day in action.days
    )
    before = changes[-1] if changes else Bounds(0.0, plan.min_copies, plan.max_copies)
    return [before._replace(time=0.0), *changes]


def _second_of_week(day: int, action: ScheduledAction) -> float:
    return ((day * 24 + action.hour) * 60 + action.minute) * 60.0
