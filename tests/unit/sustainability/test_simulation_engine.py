"""The event loop: against closed forms of queueing, and what must hold of every replay."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import mean
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainability.plan.queueing import erlang_c
from sustainability.simulation.engine import (
    TICK,
    Bedrock,
    Endpoint,
    Observation,
    Scaler,
    replay,
)
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.traffic import Request

SERVERS = Endpoint(
    slots=4,
    prefill_per_token=0.0,
    decode_per_token=1.0,
    cold_start=60,
    limit=1.000001e-9,
    long_answer=1e-9,
)
"""Slots that are servers: an answer takes a second for each token, and none holds up another. In
time, whatever its length, is what did not wait."""
BEDROCK = Bedrock(first_token=0.5, per_token=0.01)


def queue(
    arrival_rate: float, service: Callable[[random.Random], float], *, count: int, seed: int
) -> Iterator[Request]:
    """Yield Poisson arrivals with services as numbers of output tokens."""
    random_, time = random.Random(seed), 0.0
    for _ in range(count):
        time += random_.expovariate(arrival_rate)
        yield Request(time, 0.0, service(random_))


def measured(requests: list[Request], endpoint: Endpoint, scaler: Scaler) -> tuple[Outcome, float]:
    """Return the outcome and the mean number of questions in the endpoint, summed over time."""
    seconds = 0.0

    def watching(seen: Observation) -> int:
        nonlocal seconds
        seconds += seen.outstanding * TICK
        return scaler(seen)

    return replay(requests, endpoint, watching), seconds


def exponential(random_: random.Random) -> float:
    return random_.expovariate(1.0)


def constant(_: random.Random) -> float:
    return 1.0


def uneven(random_: random.Random) -> float:
    """One of two lengths, with mean 1 and variance 1.5."""
    return 0.5 if random_.random() < 6 / 7 else 4.0


@pytest.mark.parametrize(
    ("servers", "load", "service", "scv"),
    [
        (1, 0.7, exponential, 1.0),  # M/M/1
        (4, 3.0, exponential, 1.0),  # M/M/c
        (8, 6.4, exponential, 1.0),
        (1, 0.7, constant, 0.0),  # M/D/1
        (1, 0.6, uneven, 1.5),  # M/G/1
    ],
)
def test_waits_are_those_of_the_closed_forms(
    servers: int, load: float, service: Callable[[random.Random], float], scv: float
) -> None:
    """Erlang's share that waits and mean wait; Pollaczek's and Khinchine's for one server."""
    batches, count = 20, 3000
    endpoint = replace(SERVERS, slots=servers, initial_copies=1)
    waiting, waits = [], []
    for seed in range(batches):
        requests = list(queue(load, service, count=count, seed=seed))
        outcome, seconds = measured(requests, endpoint, lambda _: 1)
        waiting.append(1 - outcome.attainment)
        waits.append((seconds - sum(request.output_tokens for request in requests)) / count)
    share = erlang_c(servers, load)
    mean = share * (1 + scv) / 2 / (servers - load)
    for found, expected in ((waiting, share), (waits, mean)):
        average = sum(found) / batches
        deviation = math.sqrt(sum((value - average) ** 2 for value in found) / (batches - 1))
        assert abs(average - expected) < 3.5 * deviation / math.sqrt(batches)


def test_an_answer_gains_a_token_a_step_however_many_there_are_and_stops_for_prompts() -> None:
    endpoint = replace(
        SERVERS, prefill_per_token=0.1, decode_per_token=0.5, initial_copies=1, limit=100
    )
    ends: list[float] = []
    with patch.object(Outcome, "record", lambda _, latency: ends.append(latency)):
        replay([Request(0, 10, 4), Request(1.5, 10, 4)], endpoint, lambda _: 1)
    # The first reads until 1, writes half a second, stands still for a second, and writes on.
    assert ends == pytest.approx([4.0, 3.0])


@st.composite
def traffics(draw: st.DrawFn) -> list[Request]:
    gaps = draw(st.lists(st.floats(0, 40), min_size=1, max_size=40))
    tokens = st.tuples(st.floats(1, 50), st.floats(1, 50))
    time, found = 0.0, []
    for gap in gaps:
        time += gap
        found.append(Request(time, *draw(tokens)))
    return found


ENDPOINTS = st.builds(
    lambda slots, bedrock, shared, per_instance, initial: replace(
        SERVERS,
        slots=slots,
        prefill_per_token=0.02,
        release=30.0,
        copies_per_instance=per_instance,
        bedrock=bedrock,
        shared_queue=shared and bedrock is None,
        initial_copies=initial,
    ),
    st.integers(1, 3),
    st.sampled_from([None, BEDROCK]),
    st.booleans(),
    st.integers(1, 2),
    st.integers(1, 3),
)


def restless(seed: int) -> Scaler:
    """Return a scaler that changes its mind all the time, and keeps a copy in the end."""
    random_, last = random.Random(seed), 1200

    def scaler(seen: Observation) -> int:
        return random_.randrange(4) if seen.time < last else 1

    return scaler


@settings(max_examples=60, deadline=None)
@given(requests=traffics(), endpoint=ENDPOINTS, seed=st.integers(0, 1000))
def test_each_question_is_answered_once_by_the_endpoint_or_by_bedrock(
    requests: list[Request], endpoint: Endpoint, seed: int
) -> None:
    outcome = replay(requests, endpoint, restless(seed))
    answered = sum(outcome.latencies.values())
    assert outcome.questions == len(requests) == answered + outcome.failed
    assert outcome.on_time <= answered
    assert outcome.bedrock_questions <= answered
    if endpoint.bedrock or endpoint.shared_queue:
        assert outcome.failed == 0
    else:
        assert outcome.bedrock_questions == 0
    assert outcome == replay(requests, endpoint, restless(seed)), "a replay can be repeated"


@settings(max_examples=60, deadline=None)
@given(requests=traffics(), slots=st.integers(1, 3), copies=st.integers(1, 3))
def test_littles_law_holds_exactly(requests: list[Request], slots: int, copies: int) -> None:
    latencies: list[float] = []
    endpoint = replace(SERVERS, slots=slots, prefill_per_token=0.02, initial_copies=copies)
    with patch.object(Outcome, "record", lambda _, latency: latencies.append(latency)):
        _, seconds = measured(requests, endpoint, lambda _: copies)
    assert seconds == pytest.approx(sum(latencies))


def test_an_instance_is_billed_from_its_start_until_it_is_released() -> None:
    endpoint = replace(SERVERS, cold_start=60, release=30)

    def hours(copies_per_instance: int) -> Outcome:
        wanted = replace(endpoint, copies_per_instance=copies_per_instance)
        return replay([], wanted, lambda seen: 2 if 100 <= seen.time < 300 else 0, duration=600)

    outcome = hours(1)
    # Two copies decided on at 100, stopped at 300 and released at 330, whenever they served.
    assert outcome.instance_seconds == 2 * (330 - 100)
    assert outcome.launches == 2
    assert hours(2).instance_seconds == 330 - 100


def test_a_started_copy_serves_after_its_cold_start_and_not_before() -> None:
    requests = [Request(time, 0.0, 1.0) for time in (95.0, 155.0, 165.0)]
    outcome = replay(
        requests, replace(SERVERS, cold_start=60), lambda seen: int(seen.time >= 100), duration=300
    )
    assert (outcome.failed, outcome.on_time) == (2, 1)


def test_bedrock_answers_while_there_is_no_copy_and_when_patience_ends() -> None:
    endpoint = replace(SERVERS, slots=1, bedrock=BEDROCK, patience=15, initial_copies=1)
    busy = [Request(0, 0, 10), Request(1, 0, 10), Request(9, 0, 3), Request(30, 0, 5)]
    outcome = replay(busy, endpoint, lambda _: 1)
    assert outcome.bedrock_questions == 1, "19 s after its question the second answer comes"
    assert outcome.bedrock_output_tokens == 10
    assert (outcome.abandoned, outcome.failed) == (1, 0)
    assert outcome.percentile(1) == pytest.approx(15 + 0.5 + 0.1, rel=0.02)
    alone = replay(busy, replace(endpoint, bedrock=None), lambda _: 1)
    assert (alone.abandoned, alone.failed) == (1, 1)
    asleep = replay(busy, replace(endpoint, initial_copies=0), lambda _: 0)
    assert (asleep.bedrock_questions, asleep.instance_seconds) == (4, 0)


def test_a_question_that_nobody_waits_for_is_worked_on_to_its_end() -> None:
    patient = replace(SERVERS, slots=1, initial_copies=1)
    busy = [Request(float(second), 0, 10) for second in range(9)]
    outcomes = [
        replay(busy, replace(patient, patience=patience), lambda _: 1)
        for patience in (math.inf, 5.0)
    ]
    assert outcomes[0].work_seconds == outcomes[1].work_seconds == 90
    assert outcomes[0].instance_seconds == outcomes[1].instance_seconds


def test_percentiles_are_those_of_the_latencies_to_two_percent() -> None:
    outcome, random_ = Outcome(), random.Random(1)
    latencies = sorted(random_.lognormvariate(1, 1) for _ in range(2000))
    for latency in latencies:
        outcome.record(latency)
    for share in (0.5, 0.95, 0.99):
        assert outcome.percentile(share) == pytest.approx(
            latencies[int(2000 * share) - 1], rel=0.02
        )


def test_bedrock_answers_with_variance_and_the_same_question_always_takes_as_long() -> None:
    bedrock = Bedrock(first_token=0.5, first_token_p95=1.5, per_token=0.0125, token_variation=0.3)
    taken = sorted(bedrock.seconds(Request(float(at), 1000, 100)) for at in range(20_000))
    assert mean(taken) == pytest.approx(0.5 + 100 * 0.0125, rel=0.02)
    assert taken[19_000] > 1.3 * mean(taken)
    assert bedrock.seconds(Request(7.0, 1000, 100)) == bedrock.seconds(Request(7.0, 1000, 100))
