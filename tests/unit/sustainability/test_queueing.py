"""The formulas behind the number of copies, against exact results."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.queueing import erlang_c, lognormal_quantile, mean_wait, share_waiting


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
