"""The oracle: no policy keeps as much with less, and it picks what takes least."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sustainability.deployment.schema import Tokens
from sustainability.facts.lookup import Facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.capacity import Capacity
from sustainability.simulation.autoscaling import Metric
from sustainability.simulation.comparison import run
from sustainability.simulation.engine import Bedrock, Endpoint
from sustainability.simulation.oracle import choosing, clairvoyant
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
HOURLY = (600, 1500, 3200, 2600, 1200, 500)


def traffic(*per_hour: float) -> Traffic:
    tokens = TokenCounts(CAPACITY.input_tokens, CAPACITY.output_tokens, CAPACITY.max_tokens)
    return of_rates(Rates(3600, per_hour), tokens, seed=5)


@pytest.fixture(scope="module")
def oracle() -> Outcome:
    return clairvoyant(traffic(*HOURLY), ENDPOINT, CAPACITY, 0.99)


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


@pytest.mark.parametrize(
    ("bedrock_answer", "asleep"), [(0.1, True), (10.0, False)], ids=["cheap", "dear"]
)
def test_it_sleeps_while_bedrock_takes_less_and_wakes_for_what_is_worth_it(
    bedrock_answer: float, asleep: bool
) -> None:
    """An awake hour takes 100: from 10 or from 1,000 answers an hour on, that is worth it."""
    bridged = replace(ENDPOINT, bedrock=Bedrock(first_token=0.5, per_token=0.01))
    found = choosing(
        traffic(100, 700, 100),
        bridged,
        most=2,
        awake_hour=100,
        bedrock_answer=bedrock_answer,
        attainment=0.95,
    )
    assert (found.instance_seconds == 0) is asleep
    assert found.failed == 0
    if not asleep:
        assert found.bedrock_share < 0.1


def test_it_is_awake_only_in_the_busy_hours() -> None:
    bridged = replace(ENDPOINT, bedrock=Bedrock(first_token=0.5, per_token=0.01))
    found = choosing(
        traffic(50, 600, 600, 50, 50),
        bridged,
        most=1,
        awake_hour=100,
        bedrock_answer=0.4,
        attainment=0.95,
    )
    assert 2 <= found.instance_hours <= 2.5, "two hours, and the start"
