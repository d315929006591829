"""Plans for answers that may come later: at any time of the day, or in daily windows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import mean
from zoneinfo import ZoneInfo

from sustainability.deployment.durations import format_duration
from sustainability.offers.target_tracking import IN_SECONDS, OUT_DATAPOINTS
from sustainability.plan.capacity import Capacity
from sustainability.plan.clean_hours import profiles
from sustainability.plan.endpoint_targets import SCALE_IN_COOLDOWN_S, copy_sentence
from sustainability.plan.interactive import bedrock_plan
from sustainability.plan.other_modes import least
from sustainability.plan.serving_plan import (
    AlarmThresholds,
    Batch,
    Mode,
    ServiceLevelError,
    ServingPlan,
)
from sustainability.plan.situation import Host, Situation

_HOUR_S = 3600
_DAY_H = 24
_MONTH_H = 730
_WINDOWS = (1, 2, 3, 4, 6, 8, 12)
"""How many a day may have."""
_BACKLOG_MINUTES = 2
"""Minutes of HasBacklogWithoutCapacity after which the first instance is started."""
_SCALE_OUT_COOLDOWN_S = 300
_A_WINTER_DAY = datetime(2026, 1, 15)
"""Fixes how local hours relate to the UTC hours of the carbon profiles; summer time is left out."""


def plan_deferrable(situation: Situation) -> ServingPlan:
    """Return the plan with the lowest footprint of all that meet ``service_level.deadline``.

    Raises
    ------
    ServiceLevelError
        If Bedrock may not answer, and the deadline is too short to start an instance or needs
        more than ``inference.max_instances``.
    """
    deadline = situation.deployment.service_level.deadline
    assert deadline is not None
    seconds = deadline.total_seconds()
    capacity = situation.capacity(seconds)
    plans: list[ServingPlan] = []
    for host in situation.hosts(inference_components=False):
        plans.extend(_async_plan(situation, capacity, host, seconds))
        plans.extend(_window_plans(situation, capacity, host, seconds))
    if situation.bedrock:
        plans.extend(_bedrock_batch_plans(situation, seconds))
        plans.append(
            bedrock_plan(
                situation, "Bedrock has the lowest footprint of all options that meet the deadline."
            )
        )
    if not plans:
        raise _too_soon(situation, capacity, seconds)
    return least(situation, plans)


def _async_plan(
    situation: Situation, capacity: Capacity, host: Host, deadline: float
) -> Iterator[ServingPlan]:
    """Yield the plan of an asynchronous endpoint that scales to zero while its queue is empty."""
    before = _seconds_until_answered(situation, capacity)
    needed = _instances(situation, capacity, deadline - before)
    if needed > situation.deployment.inference.max_instances:
        return
    working_off = capacity.full_rate * (deadline - before)
    week = situation.week
    full = capacity.full_rate * _HOUR_S
    cold_start = situation.seconds("cold_start")
    awake = [
        _share_awake(rate.mean_per_hour, cold_start) * max(1.0, rate.mean_per_hour / full)
        for rate in week
    ]
    hours = mean(awake) * _MONTH_H
    yield ServingPlan(
        mode=Mode.ASYNC,
        instance_type=host.instance_type,
        model=situation.model,
        copies_per_instance=host.copies,
        min_copies=0,
        max_copies=int(needed),
        target_concurrency=situation.model.slots,
        target_backlog=max(working_off, situation.model.slots),
        backlog_minutes=_BACKLOG_MINUTES,
        scale_out_cooldown_s=_SCALE_OUT_COOLDOWN_S,
        scale_in_cooldown_s=SCALE_IN_COOLDOWN_S,
        expected_instance_hours=hours,
        expected_utilization=situation.answers_per_month / (hours * full) if hours else 0.0,
        expected_attainment=1.0,
        bedrock_share=0.0,
        alarms=AlarmThresholds(backlog_age_s=deadline - capacity.long.total),
        reasons=(
            f"Answers are due within {_words(deadline)}. Questions wait in a queue, and the "
            "endpoint scales to zero while the queue is empty.",
            copy_sentence(capacity),
            f"A start and the longest answer need up to {_words(before)}. This leaves "
            f"{_words(deadline - before)} in the queue. At any time of the week, "
            f"{_instances_of(int(needed))} can answer the queue in time; the target is "
            f"{working_off:,.0f} queued questions per instance.",
            f"The endpoint runs for {IN_SECONDS // 60} minutes after the last question: "
            f"{hours:,.0f} instance-hours per month.",
        ),
    )


def _window_plans(
    situation: Situation, capacity: Capacity, host: Host, deadline: float
) -> Iterator[ServingPlan]:
    """Yield a plan for each number of daily windows that meets the deadline, the fewest first.

    A window hands its questions to an asynchronous endpoint. The first instance starts when the
    queue has waited; target tracking starts the others. The window stops all of them.
    """
    cold_start = situation.facts("serving/cold_start", "s")
    full = capacity.full_rate * _HOUR_S
    for windows in _WINDOWS:
        gap = _DAY_H // windows
        queue = _longest_queue(situation, gap)
        for instances in range(1, situation.deployment.inference.max_instances + 1):
            start = _BACKLOG_MINUTES * 60 + cold_start.high
            if instances > 1:
                start += OUT_DATAPOINTS * 60 + cold_start.high
            run = start + queue / (instances * full) * _HOUR_S + capacity.long.total + Batch.LOOK_S
            hours = _cleanest(situation, gap, deadline - run, run)
            if hours is None:
                continue
            batch = Batch(hours=hours, run_s=math.ceil(run))
            if run > batch.queued_s:
                continue
            working = situation.answers_per_month / full
            idle = cold_start.mid + Batch.LOOK_S / 2
            awake = windows * _MONTH_H / _DAY_H * instances * idle / _HOUR_S + working
            yield ServingPlan(
                mode=Mode.BATCH,
                instance_type=host.instance_type,
                model=situation.model,
                copies_per_instance=host.copies,
                max_copies=instances,
                target_concurrency=situation.model.slots,
                target_backlog=max(queue / instances, situation.model.slots),
                backlog_minutes=_BACKLOG_MINUTES,
                scale_out_cooldown_s=_SCALE_OUT_COOLDOWN_S,
                scale_in_cooldown_s=SCALE_IN_COOLDOWN_S,
                expected_instance_hours=awake,
                expected_utilization=working / awake,
                expected_attainment=1.0,
                bedrock_share=0.0,
                batch=batch,
                alarms=AlarmThresholds(backlog_age_s=run),
                reasons=(
                    _window_sentence(situation, hours, deadline),
                    copy_sentence(capacity),
                    f"At most {queue:,.0f} questions wait for one window. With "
                    f"{_instances_of(instances)}, it needs up to {_words(run)}, including the "
                    "start. Between windows there is no instance.",
                ),
            )
            break


def _bedrock_batch_plans(situation: Situation, deadline: float) -> Iterator[ServingPlan]:
    run = situation.seconds("bedrock/batch")
    for windows in _WINDOWS:
        hours = _cleanest(situation, _DAY_H // windows, deadline - run, _HOUR_S)
        if hours is not None:
            yield ServingPlan(
                mode=Mode.BATCH,
                instance_type=None,
                expected_instance_hours=0.0,
                expected_utilization=0.0,
                expected_attainment=None,
                bedrock_share=1.0,
                batch=Batch(hours=hours, run_s=math.ceil(run)),
                alarms=AlarmThresholds(backlog_age_s=deadline),
                reasons=(
                    _window_sentence(situation, hours, deadline),
                    f"A batch job on Bedrock may need {_words(run)}. Its tokens cost less than "
                    "on-demand tokens.",
                ),
            )


def _seconds_until_answered(situation: Situation, capacity: Capacity) -> float:
    """Return the longest time, in seconds, from the first question at zero copies to its answer."""
    return (
        _BACKLOG_MINUTES * 60
        + situation.facts("serving/cold_start", "s").high
        + situation.seconds("before_generation")
        + capacity.long.total
    )


def _instances(situation: Situation, capacity: Capacity, wait: float) -> float:
    """Return how many instances answer any part of the week in time.

    ``wait`` is the number of seconds that a question may wait in the queue.
    """
    if wait <= 0:
        return math.inf
    full, allowed_h = capacity.full_rate * _HOUR_S, wait / _HOUR_S
    week = situation.week
    sums = [0.0, *accumulate(rate.mean_per_hour for rate in 2 * week)]
    demanding = max(
        (sums[start + length] - sums[start]) / (length + allowed_h)
        for start in range(len(week))
        for length in range(1, len(week) + 1)
    )
    peak = max(rate.peak_per_hour for rate in week) / (1 + allowed_h)
    return max(1, math.ceil(max(demanding, peak) / full))


def _share_awake(per_hour: float, cold_start: float) -> float:
    """Return the share of an hour that an endpoint with an idle timeout runs, for Poisson arrivals.

    A cycle has three parts: the time without a question, the cold start, and the questions until
    none comes for the length of the timeout. The last part is (exp(rate x timeout) - 1) / rate on
    average.
    """
    rate = per_hour / _HOUR_S
    if not rate:
        return 0.0
    awake = cold_start + math.expm1(min(rate * IN_SECONDS, 50.0)) / rate
    return awake / (awake + 1 / rate)


def _too_soon(situation: Situation, capacity: Capacity, deadline: float) -> ServiceLevelError:
    before = _seconds_until_answered(situation, capacity)
    most = situation.deployment.inference.max_instances
    model = capacity.model.name
    text = f"service_level.deadline of {_words(deadline)} cannot be met with {model}: "
    if deadline <= before:
        text += f"a start and the longest answer need up to {_words(before)}"
    else:
        text += (
            "answering the queue in time needs more instances than inference.max_instances, "
            f"which is {most}"
        )
    longest = before + len(situation.week) * _HOUR_S
    if _instances(situation, capacity, longest - before) > most:
        return ServiceLevelError(
            f"{text}. A longer deadline does not help: raise inference.max_instances"
        )
    low, high = max(deadline, before), longest
    while high - low > 1:
        middle = (low + high) / 2
        if _instances(situation, capacity, middle - before) > most:
            low = middle
        else:
            high = middle
    nearest = format_duration(timedelta(minutes=math.ceil(high / 60)))
    return ServiceLevelError(f"{text}. The shortest deadline that can be met is {nearest}")


def _longest_queue(situation: Situation, gap_h: int) -> float:
    """Return the highest number of questions in any ``gap_h`` hours of the week."""
    week = situation.week
    sums = [0.0, *accumulate(rate.mean_per_hour for rate in 2 * week)]
    return max(sums[start + gap_h] - sums[start] for start in range(len(week)))


def _cleanest(situation: Situation, gap_h: int, wait: float, run: float) -> tuple[int, ...] | None:
    """Return the local start hours, ``gap_h`` apart, of jobs of ``run`` seconds with least carbon.

    A job starts within ``wait`` seconds of every question. Of equal hours, the earliest. None if no
    hours meet this.
    """
    asked = {hour % _DAY_H for hour, rate in enumerate(situation.week) if rate.mean_per_hour}
    candidates = [tuple(range(first, _DAY_H, gap_h)) for first in range(gap_h)]
    in_time = [
        hours
        for hours in candidates
        if all(
            min((hour - of - 1) % _DAY_H + 1 for hour in hours) * _HOUR_S <= wait for of in asked
        )
    ]
    return min(in_time, key=lambda hours: _carbon(situation, hours, run), default=None)


def _carbon(situation: Situation, hours: tuple[int, ...], run: float) -> float:
    """Return the relative carbon intensity while jobs run that start at these local hours."""
    course = profiles().get(situation.deployment.region)
    if course is None:
        return 1.0
    zone = ZoneInfo(situation.deployment.traffic.timezone)
    offset = _A_WINTER_DAY.replace(tzinfo=zone).utcoffset() or timedelta()
    ahead = round(offset.total_seconds() / _HOUR_S)
    return mean(
        course[quarter, (hour + later - ahead) % _DAY_H]
        for hour in hours
        for later in range(math.ceil(run / _HOUR_S))
        for quarter in (1, 2, 3, 4)
    )


def _window_sentence(situation: Situation, hours: tuple[int, ...], deadline: float) -> str:
    known = situation.deployment.region in profiles()
    chosen = "with the lowest carbon intensity" if known else "the earliest"
    at = ", ".join(f"{hour}:00" for hour in hours)
    return (
        f"Answers are due within {_words(deadline)}. Windows open at {at} "
        f"({situation.deployment.traffic.timezone}): of the hours that meet the deadline, those "
        f"{chosen}."
    )


def _words(seconds: float) -> str:
    return (
        format_duration(timedelta(seconds=math.ceil(seconds)))
        if seconds < 60
        else (f"{seconds / 60:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h")
    )


def _instances_of(count: int) -> str:
    return f"{count} instance" if count == 1 else f"{count} instances"
