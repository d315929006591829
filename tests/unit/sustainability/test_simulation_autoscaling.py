"""How many copies the policies ask for, tick by tick, as AWS documents them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sustainability.offers.target_tracking import IN_SECONDS
from sustainability.plan.serving_plan import Mode, ScheduledAction, ServingPlan
from sustainability.simulation.autoscaling import (
    Autoscaler,
    Bounds,
    DemandAlarm,
    Metric,
    QueueScaler,
    TargetTracking,
    WindowScaler,
)
from sustainability.simulation.engine import TICK, Observation, Scaler
from sustainability.simulation.policies import planned
from sustainability.simulation.traffic import WEEK_SECONDS

MINUTE, HOUR = 60.0, 3600.0


def asked(
    scaler: Scaler, questions: Iterable[int], *, live: int = 1, outstanding: float = 0.0
) -> list[int]:
    """Return what the scaler asks for after each tick with so many questions."""
    return [
        scaler(Observation((number + 1) * TICK, count, outstanding, live))
        for number, count in enumerate(questions)
    ]


def tracking(metric: Metric, target: float, *, copies: int = 1, most: int = 10) -> Autoscaler:
    return Autoscaler([Bounds(0, 1, most)], copies, [TargetTracking(metric, target)])


def ticks_until(found: list[int], copies: int) -> float:
    return (found.index(copies) + 1) * TICK


@pytest.mark.parametrize(
    ("metric", "seconds"), [(Metric.CONCURRENT_REQUESTS, 30), (Metric.INVOCATIONS, 180)]
)
def test_tracking_scales_out_in_proportion_after_three_datapoints(
    metric: Metric, seconds: float
) -> None:
    """Every 10 seconds for concurrency, every minute for invocations."""
    target = 60.0 if metric is Metric.INVOCATIONS else 10.0
    found = asked(tracking(metric, target), [40] * 30, outstanding=40)
    assert ticks_until(found, 4) == seconds
    assert set(found) == {1, 4}


def test_two_high_datapoints_and_a_low_one_change_nothing() -> None:
    scaler = tracking(Metric.CONCURRENT_REQUESTS, 10)
    seen = [Observation((n + 1) * TICK, 0, 40 if n % 3 else 0, 1) for n in range(60)]
    assert {scaler(each) for each in seen} == {1}


@pytest.mark.parametrize("metric", list(Metric))
def test_tracking_scales_in_after_fifteen_minutes_to_what_the_busiest_needed(
    metric: Metric,
) -> None:
    scaler = tracking(metric, 10 * metric.value, copies=5)
    counts = [25 if 30 <= tick < 36 else 5 for tick in range(200)]
    found = [
        scaler(Observation((tick + 1) * TICK, count, count, 5)) for tick, count in enumerate(counts)
    ]
    assert ticks_until(found, 3) == 15 * MINUTE
    after = ticks_until(found, 1)
    assert 36 * TICK + 15 * MINUTE <= after <= 37 * MINUTE


def test_a_datapoint_within_a_tenth_of_the_target_keeps_copies() -> None:
    found = asked(tracking(Metric.INVOCATIONS, 60, copies=2), [19] * 200, live=2)
    assert set(found) == {2}, "114 a minute are more than nine tenths of two targets of 60"


def test_several_policies_scale_out_for_one_and_in_for_all() -> None:
    both = [TargetTracking(Metric.CONCURRENT_REQUESTS, 10), TargetTracking(Metric.INVOCATIONS, 600)]
    busy = Autoscaler([Bounds(0, 1, 10)], 1, both)
    assert asked(busy, [1] * 30, outstanding=35)[-1] == 4
    held = Autoscaler(
        [Bounds(0, 1, 10)],
        4,
        [TargetTracking(Metric.CONCURRENT_REQUESTS, 10), TargetTracking(Metric.INVOCATIONS, 60)],
    )
    assert asked(held, [40] * 200, live=4, outstanding=1)[-1] == 4


def test_no_copy_gives_no_data_and_so_no_scaling_by_tracking() -> None:
    scaler = Autoscaler([Bounds(0, 0, 4)], 0, [TargetTracking(Metric.INVOCATIONS, 1)])
    assert set(asked(scaler, [100] * 100, live=0)) == {0}


def test_alarms_wake_from_zero_and_send_to_sleep() -> None:
    scaler = Autoscaler(
        [Bounds(0, 0, 4)],
        0,
        wake=DemandAlarm(60, 300, 2, above=True),
        sleep=DemandAlarm(40, 300, 3, above=False),
    )
    found = asked(scaler, [2] * 120 + [0] * 240)
    assert ticks_until(found, 1) == 2 * 300, "sixty questions in five minutes, twice"
    assert found.index(0, 60) * TICK + TICK == 120 * TICK + 3 * 300


def test_bounds_hold_at_once_and_come_again_every_week() -> None:
    scaler = Autoscaler([Bounds(0, 1, 2), Bounds(8 * HOUR, 3, 5)], 1)
    times = (TICK, 8 * HOUR - TICK, 8 * HOUR, WEEK_SECONDS + TICK, WEEK_SECONDS + 9 * HOUR)
    assert [scaler(Observation(time, 0, 0, 1)) for time in times] == [1, 1, 3, 2, 3]


def test_a_plans_schedule_is_replayed_in_its_own_week() -> None:
    plan = ServingPlan(
        mode=Mode.REALTIME,
        instance_type="ml.inf2.xlarge",
        expected_instance_hours=0,
        expected_utilization=0,
        bedrock_share=0,
        expected_attainment=1,
        copies_per_instance=1,
        min_copies=1,
        max_copies=4,
        schedule=(
            ScheduledAction(days=(0, 1), hour=8, minute=45, min_copies=3, max_copies=4),
            ScheduledAction(days=(0, 1), hour=18, minute=0, min_copies=1, max_copies=4),
        ),
        reasons=("test",),
    )
    assert plan.schedule[0].schedule == "cron(45 8 ? * MON,TUE *)"
    at = planned(plan).scaler()
    day = 24 * HOUR
    times = [8.5 * HOUR, 8.75 * HOUR, day + 8.75 * HOUR, 2 * day + 12 * HOUR]
    assert [at(Observation(time, 0, 0, 1)) for time in times] == [1, 3, 3, 3]


def test_a_queue_starts_one_copy_then_as_many_as_it_needs_and_none_when_empty() -> None:
    scaler = QueueScaler(backlog_per_copy=10, maximum=3, wake_seconds=120)

    def after(seconds: float, outstanding: float, live: int) -> int:
        found = [scaler(Observation(0, 0, outstanding, live)) for _ in range(int(seconds / TICK))]
        return found[-1]

    assert after(110, 25, 0) == 0
    assert after(10, 25, 0) == 1
    assert after(10, 25, 1) == 3
    assert after(10, 99, 3) == 3
    assert after(IN_SECONDS - 10, 0, 3) == 3
    assert after(10, 0, 3) == 0


def test_a_job_starts_in_its_window_if_there_is_work_and_ends_with_it() -> None:
    scaler = WindowScaler([2 * HOUR], copies=2)
    window = 24 * HOUR + 2 * HOUR
    assert scaler(Observation(window - TICK, 0, 5, 0)) == 0
    assert scaler(Observation(window, 0, 5, 0)) == 2
    assert scaler(Observation(window + 600, 0, 5, 2)) == 2
    assert scaler(Observation(window + 700, 0, 0, 2)) == 0
    assert scaler(Observation(window + 24 * HOUR, 0, 0, 0)) == 0, "nothing to do"
