"""The formulas behind the number of copies, against exact results."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sustainability.plan.queueing import (
    erlang_c,
    exponential_waits,
    lognormal_quantile,
    mean_wait,
    share_later,
    share_waiting,
)


@pytest.mark.parametrize(
    ("servers", "load", "share"),
    [
        (1, 0.5, 0.5),  # one server is found busy as often as it is busy
        (2, 1.0, 1 / 3),  # 2rho^2 / (1 + rho) with rho = 1/2
        (2, 2.0, 1.0),
        (3, 0.0, 0.0),
    ],
)
def test_erlang_c_by_hand(servers: int, load: float, share: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(share)


def test_one_server_of_any_service_waits_as_pollaczek_and_khinchine_say() -> None:
    load, service, scv = 0.6, 2.0, 3.0
    waiting = share_waiting(1, load, arrival_scv=1.0)
    wait = waiting * mean_wait(1, load, service_seconds=service, service_scv=scv, arrival_scv=1.0)
    assert wait == pytest.approx(load * service * (1 + scv) / (2 * (1 - load)))


@given(servers=st.integers(1, 60), load=st.floats(0, 59), more=st.floats(0.01, 10))
def test_more_load_waits_more_and_more_servers_less(servers: int, load: float, more: float) -> None:
    share = erlang_c(servers, load)
    assert 0 <= share <= 1
    assert erlang_c(servers, load + more) >= share
    assert erlang_c(servers + 1, load) <= share


@given(mean=st.floats(1, 1e4), ratio=st.floats(1.05, 3.5))
def test_a_lognormal_has_the_percentile_that_it_was_made_from(mean: float, ratio: float) -> None:
    assert lognormal_quantile(0.95, mean, ratio * mean) == pytest.approx(ratio * mean, rel=1e-6)


def test_an_overloaded_queue_never_ends() -> None:
    assert mean_wait(2, 2.0, service_seconds=1, service_scv=1, arrival_scv=1) == math.inf


@settings(max_examples=30, deadline=None)
@given(mean=st.floats(0.1, 50), spread=st.floats(0.01, 2), limit=st.floats(0.1, 200))
def test_a_first_passage_is_later_than_its_limit_as_the_integral_of_its_density_says(
    mean: float, spread: float, limit: float
) -> None:
    variance = (spread * mean) ** 2
    shape = mean**3 / variance

    def density(time: float) -> float:
        return math.sqrt(shape / (2 * math.pi * time**3)) * math.exp(
            -shape * (time - mean) ** 2 / (2 * mean**2 * time)
        )

    steps = 4000  # in the logarithm of time
    low, high = math.log(mean * 1e-4), math.log(limit)
    assume(low < high)
    width = (high - low) / steps
    times = [math.exp(low + (number + 0.5) * width) for number in range(steps)]
    until = sum(density(time) * time * width for time in times)
    assert share_later(limit, mean, variance) == pytest.approx(1 - until, abs=2e-3)


def test_writing_without_pauses_is_late_or_not() -> None:
    assert [share_later(limit, 3, 0) for limit in (-1, 2.9, 3.1)] == [1, 1, 0]


@given(mean=st.floats(0.01, 100))
def test_waits_that_stand_for_the_exponential_have_its_shares_and_mean(mean: float) -> None:
    waits = list(exponential_waits(mean))
    assert sum(share for _, share in waits) == pytest.approx(1)
    assert sum(share * wait for wait, share in waits) == pytest.approx(mean, rel=0.06)
    longer = sum(share for wait, share in waits if wait > 2 * mean)
    assert longer == pytest.approx(math.exp(-2), abs=0.02)
