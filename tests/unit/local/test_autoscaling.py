"""Application Auto Scaling as it is played from what is deployed, by the clock of the emulator."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import autoscaling, clock
from local.cloudformation import RECORDS
from tests.unit.local.conftest import COLD_START_S, TARGET, World, emptied

CONCURRENCY = {
    "TargetValue": 10,
    "ScaleInCooldown": 300,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": (
            "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
        )
    },
}
INVOCATIONS = {
    "TargetValue": 60,
    "PredefinedMetricSpecification": {
        "PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"
    },
}
WAKE = {
    "AdjustmentType": "ChangeInCapacity",
    "Cooldown": 600,
    "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
}
SLEEP = {
    "AdjustmentType": "ExactCapacity",
    "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": 0}],
}


def test_three_datapoints_above_the_target_add_copies_in_proportion(world: World) -> None:
    fleet = world.deploy(copies=2)
    world.track(CONCURRENCY)
    world.load("ConcurrentRequestsPerCopy", [25, 25], 10)
    world.scale()
    assert fleet.desired == 2
    world.load("ConcurrentRequestsPerCopy", [25, 25, 25], 10)
    world.scale()
    assert (fleet.current, fleet.desired) == (2, 5)
    world.now += COLD_START_S
    assert fleet.current == 5


def test_copies_go_only_after_a_quarter_of_an_hour_below_the_target(world: World) -> None:
    fleet = world.deploy(copies=5, least=1)
    world.track(CONCURRENCY)
    world.load("ConcurrentRequestsPerCopy", [2] * 89, 10)
    world.scale()
    assert fleet.desired == 5
    world.load("ConcurrentRequestsPerCopy", [3] * 90, 10)
    world.scale()
    assert fleet.desired == 2
    world.load("ConcurrentRequestsPerCopy", [0] * 90, 10)
    world.scale(after=299)
    assert fleet.desired == 2


@pytest.mark.parametrize(("invocations", "copies"), [([10] * 15, 2), ([], 4), ([55] * 15, 4)])
def test_all_policies_must_agree_to_let_copies_go(
    world: World, invocations: list[float], copies: int
) -> None:
    fleet = world.deploy(copies=4)
    world.track(CONCURRENCY, INVOCATIONS)
    world.load("ConcurrentRequestsPerCopy", [5] * 90, 10)
    world.load("InvocationsPerCopy", invocations, 60)
    world.scale()
    assert fleet.desired == copies


def test_a_lasting_alarm_adds_one_copy_in_each_cooldown(world: World) -> None:
    fleet = world.deploy(copies=0)
    world.policy("wake", "StepScaling", WAKE)
    world.alarm("wake", "OK", 7)
    world.scale()
    assert fleet.desired == 0
    world.alarm("wake", "ALARM", 7)
    world.scale()
    world.scale(after=30)
    assert (fleet.current, fleet.desired) == (0, 1)
    world.alarm("wake", "ALARM", 7)
    world.scale(after=600)
    assert (fleet.current, fleet.desired) == (1, 2)


def test_of_two_alarms_the_one_that_asks_for_more_copies_wins(world: World) -> None:
    fleet = world.deploy(copies=2)
    world.policy("sleep", "StepScaling", SLEEP)
    world.policy("wake", "StepScaling", WAKE)
    world.alarm("sleep", "ALARM", 5)
    world.alarm("wake", "ALARM", 7)
    world.scale()
    assert fleet.desired == 3


def test_a_breach_in_no_step_changes_nothing(world: World) -> None:
    fleet = world.deploy(copies=3)
    world.policy("wake", "StepScaling", WAKE)
    world.alarm("wake", "ALARM", 4)
    world.scale()
    assert fleet.desired == 3


def test_a_step_to_nothing_ends_at_the_least_copies(world: World) -> None:
    fleet = world.deploy(copies=3, least=1)
    world.policy("sleep", "StepScaling", SLEEP)
    world.alarm("sleep", "ALARM", 5)
    world.scale()
    assert fleet.desired == 1


@pytest.mark.parametrize("month", [1, 7])
def test_a_schedule_keeps_to_its_own_time_zone(world: World, month: int) -> None:
    zone = ZoneInfo("Europe/Stockholm")
    action = {
        "ScheduledActionName": "morning",
        "Schedule": "cron(45 6 ? * MON *)",
        "Timezone": zone.key,
        "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 4},
    }
    monday = {1: 5, 7: 6}[month]
    world.now = datetime(2026, month, monday, 6, 44, tzinfo=zone).timestamp()
    fleet = world.deploy(copies=1, ScheduledActions=[action])
    world.scale()
    world.scale(after=59)
    assert fleet.desired == 1
    world.scale(after=1)
    assert fleet.desired == 3
    fleet.resize(9)
    world.track(CONCURRENCY)
    world.load("ConcurrentRequestsPerCopy", [99] * 3, 10)
    world.scale(after=1)
    assert fleet.desired == 4


def test_what_a_deployment_declares_anew_moves_the_copies_at_once(world: World) -> None:
    fleet = world.deploy(copies=1)
    world.scale()
    target = next(r for r in RECORDS.values() if r["id"] == TARGET)
    target["properties"] |= {"MinCapacity": 2}
    world.scale()
    assert fleet.desired == 2


def test_what_is_set_by_hand_stays_until_something_else_is_wanted(world: World) -> None:
    fleet = world.deploy(copies=2, least=1)
    world.policy("wake", "StepScaling", WAKE)
    world.scale()
    fleet.resize(0)
    world.scale(after=60)
    assert fleet.desired == 0
    world.alarm("wake", "ALARM", 7)
    world.scale()
    assert fleet.desired == 1


def test_a_minimum_that_is_registered_starts_a_copy_and_keeps_it_while_demand_is_low(
    world: World,
) -> None:
    fleet = world.deploy(copies=0, least=0)
    world.policy("sleep", "StepScaling", SLEEP)
    world.alarm("sleep", "ALARM", 3)
    world.scale()
    request = {"ResourceId": fleet.resource_id, "MinCapacity": 1}
    autoscaling._register_target(request)
    world.scale(after=60)
    assert fleet.desired == 1
    autoscaling._register_target(request | {"MinCapacity": 0})
    world.scale(after=600)
    assert fleet.desired == 0


@given(
    loads=st.lists(st.floats(0, 1e6), min_size=3, max_size=90),
    copies=st.integers(0, 20),
    bounds=st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted),
)
def test_copies_stay_within_their_bounds(
    loads: list[float], copies: int, bounds: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch, emptied():
        world = World()
        patch.setattr(clock, "now", lambda: world.now)
        fleet = world.deploy(copies=copies, least=bounds[0], most=bounds[1])
        world.track(CONCURRENCY)
        world.load("ConcurrentRequestsPerCopy", loads, 10)
        world.scale()
        assert bounds[0] <= fleet.desired <= bounds[1]
