"""The simulator scales as the embedded AWS does: the same hour of traffic, minute by minute."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from sustainability.simulation.autoscaling import Autoscaler, Bounds, Metric, TargetTracking
from sustainability.simulation.engine import TICK, Endpoint, Observation, replay
from sustainability.simulation.traffic import Request
from tests.unit.local.conftest import COLD_START_S, World
from tests.unit.local.test_autoscaling import CONCURRENCY, INVOCATIONS

MINUTES = 60
TICKS = 6
"""In a minute."""
LEAST, MOST, FIRST = 1, 9, 2


def hour(*per_minute: int) -> list[Request]:
    """Return questions with these rates, each for an equal part of an hour."""
    random_ = random.Random(5)
    found = []
    for minute in range(MINUTES):
        asked = per_minute[minute * len(per_minute) // MINUTES]
        times = sorted(random_.uniform(0, 60) for _ in range(asked))
        found += [Request(minute * 60 + time, 100.0, 10.0) for time in times]
    return found


def simulated(
    asked: Sequence[Request], *policies: TargetTracking
) -> tuple[list[int], list[Observation]]:
    """Return the wanted copies of each tick by the simulator, and what it saw."""
    scaler = Autoscaler(
        [Bounds(0.0, LEAST, MOST)], FIRST, policies, in_cooldown=CONCURRENCY["ScaleInCooldown"]
    )
    wanted: list[int] = []
    seen: list[Observation] = []

    def watching(observation: Observation) -> int:
        seen.append(observation)
        wanted.append(scaler(observation))
        return wanted[-1]

    endpoint = Endpoint(
        slots=8,
        prefill_per_token=0.001,
        decode_per_token=0.2,
        cold_start=COLD_START_S,
        initial_copies=FIRST,
        limit=10,
        long_answer=5,
    )
    replay(asked, endpoint, watching, duration=MINUTES * 60.0)
    return wanted[: MINUTES * TICKS], seen[: MINUTES * TICKS]


@pytest.mark.parametrize(
    "per_minute",
    [(100, 100), (100, 300, 300, 40, 40, 40), (500, 60, 60, 60), (20, 20, 400)],
    ids=str,
)
def test_an_hour_takes_the_same_copies_in_both(world: World, per_minute: tuple[int, ...]) -> None:
    """Both see the metrics of the same traffic; a copy more or less changes what comes after."""
    wanted, seen = simulated(
        hour(*per_minute),
        TargetTracking(Metric.INVOCATIONS, INVOCATIONS["TargetValue"]),
        TargetTracking(Metric.CONCURRENT_REQUESTS, CONCURRENCY["TargetValue"]),
    )
    fleet = world.deploy(copies=FIRST, least=LEAST, most=MOST)
    world.track({**INVOCATIONS, "ScaleInCooldown": 300}, CONCURRENCY)
    world.scale()
    deployed = []
    for number, observation in enumerate(seen):
        world.now += TICK
        world.load("ConcurrentRequestsPerCopy", [observation.outstanding / fleet.current], 10)
        if (number + 1) % TICKS == 0:
            asked = sum(each.questions for each in seen[number + 1 - TICKS : number + 1])
            world.load("InvocationsPerCopy", [asked / fleet.current], 60)
        world.scale()
        deployed.append(fleet.desired)
    by_minute = slice(TICKS - 1, None, TICKS)
    assert deployed[by_minute] == wanted[by_minute]
    assert len(set(wanted)) > 1 or len(set(per_minute)) == 1, "it scales"
