"""What copies carry: the formulas held against simulated queues, and what must hold of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainability.deployment.schema import Tokens
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.capacity import Capacity
from sustainability.simulation.engine import Endpoint, replay
from sustainability.simulation.traffic import Rates, TokenCounts, arrivals

CHAT = Capacity(
    model=InferenceModel.named("qwen3-1.7b", Facts()),
    input_tokens=Tokens(mean=1200, p95=1900),
    output_tokens=Tokens(mean=160, p95=320),
    max_tokens=300,
    limit=11,
    arrival_variation=1.09,
)
SHORT = replace(CHAT, output_tokens=Tokens(mean=80, p95=200), limit=8)
BURSTS = replace(CHAT, arrival_variation=4)


@cache
def simulated(capacity: Capacity, copies: int, rate: float) -> float:
    """Return the share of late answers in a replay at a constant rate."""
    seconds = 15_000 / rate
    requests = arrivals(
        Rates(seconds, (rate * 3600,)),
        TokenCounts(capacity.input_tokens, capacity.output_tokens, capacity.max_tokens),
        seed=1,
        variation=capacity.arrival_variation,
    )
    endpoint = Endpoint(
        slots=capacity.model.slots,
        prefill_per_token=capacity.model.prefill.mid,
        decode_per_token=capacity.model.decode.mid,
        cold_start=600,
        initial_copies=copies,
        limit=capacity.limit,
        long_answer=capacity.long.total,
    )
    return 1 - replay(requests, endpoint, lambda _: copies).attainment


@pytest.mark.parametrize(
    ("capacity", "copies"),
    [(CHAT, 1), (CHAT, 4), (CHAT, 10), (SHORT, 3), (BURSTS, 8)],
    ids=["one", "four", "ten", "short-answers", "bursts"],
)
def test_the_rate_that_copies_carry_is_that_of_a_simulated_queue_to_a_tenth(
    capacity: Capacity, copies: int
) -> None:
    rate = capacity.rate_of(copies, 0.99)
    assert simulated(capacity, copies, 0.9 * rate) < 0.01
    assert simulated(capacity, copies, 1.1 * rate) > 0.01


CAPACITIES = st.sampled_from([CHAT, SHORT, BURSTS])


@settings(max_examples=60, deadline=None)
@given(
    capacity=CAPACITIES,
    copies=st.integers(1, 30),
    load=st.floats(0, 1.2),
    more=st.floats(0.01, 0.5),
)
def test_more_questions_are_later_and_more_copies_are_in_time(
    capacity: Capacity, copies: int, load: float, more: float
) -> None:
    rate = load * copies * capacity.full_rate
    late = capacity.late_share(copies, rate)
    assert 0 <= late <= 1
    assert capacity.late_share(copies, rate + more) >= late - 1e-9
    assert capacity.late_share(copies + 1, rate) <= late + 1e-9
    assert replace(capacity, limit=capacity.limit + more).late_share(copies, rate) <= late + 1e-9


@settings(max_examples=40, deadline=None)
@given(
    capacity=CAPACITIES,
    load=st.floats(0.1, 12),
    attainment=st.sampled_from([0.9, 0.95, 0.99, 0.995]),
)
def test_the_fewest_copies_keep_the_share_and_one_less_does_not(
    capacity: Capacity, load: float, attainment: float
) -> None:
    rate = load * capacity.full_rate
    copies = capacity.copies_for(rate, attainment, 100)
    assert copies is not None
    assert capacity.late_share(copies, rate) <= 1 - attainment
    assert copies == 1 or capacity.late_share(copies - 1, rate) > 1 - attainment
    assert capacity.copies_for(rate, attainment, copies) == copies
    assert copies == 1 or capacity.copies_for(rate, attainment, copies - 1) is None


def test_one_slot_waits_for_no_prompt_of_others() -> None:
    model = replace(CHAT.model, slots=1)
    alone = replace(CHAT, model=model)
    assert alone.slowdown(1, 0.9 * alone.full_rate) == 1


def test_lengths_that_are_not_lognormal_carry_what_their_deciles_say() -> None:
    """No lognormal distribution has a 95th percentile of 4.7 times its mean."""
    mixed = Tokens(mean=93, p95=433, deciles=(1, 3, 9, 14, 36, 48, 63, 162, 332))
    told = replace(CHAT, output_tokens=mixed, max_tokens=500, limit=19)
    rate = told.rate_of(3, 0.99)
    untold = replace(told, output_tokens=Tokens(mean=93, p95=433)).rate_of(3, 0.99)
    assert simulated(told, 3, 0.9 * rate) < 0.01 < simulated(told, 3, 0.9 * untold)
