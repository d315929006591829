"""The oracle: no policy keeps as much with less, and it picks what takes least."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from sustainability.deployment.schema import Tokens
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.capacity import Capacity
from sustainability.simulation.autoscaling import Metric
from sustainability.simulation.comparison import run
from sustainability.simulation.engine import Bedrock, Endpoint
from sustainability.simulation.oracle import Prices, clairvoyant, follow
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.policies import Policy, static, tracking
from sustainability.simulation.traffic import Rates, TokenCounts, Traffic, of_rates

CAPACITY = Capacity(
    model=InferenceModel.named("qwen3-8b", Facts()),
    input_tokens=Tokens(mean=1200, p95=1900),
    output_tokens=Tokens(mean=160, p95=320),
    max_tokens=400,
    limit=29,
    arrival_variation=1.0,
)
ENDPOINT = Endpoint(
    slots=CAPACITY.model.slots,
    prefill_per_token=CAPACITY.model.prefill.mid,
    decode_per_token=CAPACITY.model.decode.mid,
    cold_start=540,
    limit=CAPACITY.limit,
    long_answer=CAPACITY.long.total,
)
HOURS = Prices(1.0, 0.0, lambda outcome: outcome.instance_hours)
HOURLY = (600, 1500, 3200, 2600, 1200, 500)


def traffic(*per_hour: float) -> Traffic:
    tokens = TokenCounts(CAPACITY.input_tokens, CAPACITY.output_tokens, CAPACITY.max_tokens)
    return of_rates(Rates(3600, per_hour), tokens, seed=5)


@pytest.fixture(scope="module")
def oracle() -> Outcome:
    found = clairvoyant(traffic(*HOURLY), ENDPOINT, attainment=0.99, prices=HOURS)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "policy",
    [
        *(static(copies) for copies in (4, 5, 6)),
        *(
            tracking(f"{metric.name} {share}", metric, full * share, least=1, most=9, initial=1)
            for metric, full in (
                (Metric.INVOCATIONS, CAPACITY.full_rate * 60),
                (Metric.CONCURRENT_REQUESTS, CAPACITY.model.slots),
            )
            for share in (0.4, 0.55, 0.7, 0.85)
        ),
    ],
    ids=lambda policy: policy.name,
)
def test_no_policy_keeps_as_much_with_fewer_instance_hours(policy: Policy, oracle: Outcome) -> None:
    found = run(traffic(*HOURLY), ENDPOINT, policy)
    assert oracle.attainment >= 0.99
    assert found.attainment < oracle.attainment or found.instance_hours >= oracle.instance_hours


def priced(bedrock_answer: float) -> Prices:
    """An awake hour takes 100."""

    def takes(outcome: Outcome) -> float:
        return 100 * outcome.instance_hours + bedrock_answer * outcome.bedrock_questions

    return Prices(100, bedrock_answer, takes)


@pytest.mark.parametrize(
    ("bedrock_answer", "asleep"), [(0.1, True), (10.0, False)], ids=["cheap", "dear"]
)
def test_it_sleeps_while_bedrock_takes_less_and_wakes_for_what_is_worth_it(
    bedrock_answer: float, asleep: bool
) -> None:
    """An awake hour is worth it from 10 or from 1,000 answers an hour on."""
    bridged = replace(ENDPOINT, bedrock=Bedrock(first_token=0.5, per_token=0.01))
    found = clairvoyant(
        traffic(100, 700, 100), bridged, attainment=0.95, prices=priced(bedrock_answer)
    )
    assert found is not None
    assert (found.instance_seconds == 0) is asleep
    assert found.failed == 0
    if not asleep:
        assert found.bedrock_share < 0.1


def test_it_is_awake_only_in_the_busy_hours() -> None:
    bridged = replace(ENDPOINT, bedrock=Bedrock(first_token=0.5, per_token=0.01))
    found = clairvoyant(traffic(50, 600, 600, 50, 50), bridged, attainment=0.95, prices=priced(0.4))
    assert found is not None
    assert 2 <= found.instance_hours <= 2.5, "two hours, and the start"


@pytest.mark.parametrize("seed", range(8))
def test_it_is_as_good_as_the_best_of_all_schedules(seed: int) -> None:
    """Twenty minutes with up to three instances: each schedule is simulated. Odd seeds bridge."""
    random_ = random.Random(seed)
    answer = random_.choice([0.0005, 0.001, 0.002]) if seed % 2 else 0.0
    endpoint = Endpoint(
        slots=4,
        prefill_per_token=0.0004,
        decode_per_token=0.03,
        cold_start=random_.choice([20, 120, 300]),
        release=random_.choice([0, 100]),
        limit=12,
        long_answer=9,
        patience=13,
        bedrock=Bedrock(first_token=0.5, per_token=0.0125) if answer else None,
    )
    rates = Rates(300, tuple(random_.choice([100, 600, 1500, 3000]) for _ in range(4)))
    tokens = TokenCounts(CAPACITY.input_tokens, CAPACITY.output_tokens, CAPACITY.max_tokens)
    questions = list(of_rates(rates, tokens, seed=seed).requests())
    asked = Traffic(lambda: questions, rates.duration)
    prices = Prices(
        1.0, answer, lambda found: found.instance_hours + answer * found.bedrock_questions
    )
    attainment = random_.choice([0.9, 0.95, 0.98])
    every = (
        follow(asked, endpoint, instances)
        for instances in itertools.product(range(0 if answer else 1, 4), repeat=4)
    )
    best = min(prices.of(found) for found in every if found.attainment >= attainment)
    oracle = clairvoyant(asked, endpoint, attainment=attainment, prices=prices)
    assert oracle is not None
    assert oracle.attainment >= attainment
    assert prices.of(oracle) <= 1.005 * best


def test_no_fleet_keeps_what_an_idle_copy_misses() -> None:
    slow = replace(ENDPOINT, limit=1.0, long_answer=2.0, decode_per_token=1.0)
    assert clairvoyant(traffic(100), slow, attainment=0.99, prices=HOURS) is None
