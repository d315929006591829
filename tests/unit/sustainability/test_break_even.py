from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainability.decide.break_even_curves import Offer, curves, meetings, rates
from sustainability.decide.instance_offers import offers
from sustainability.deployment.schema import Objective
from sustainability.energy.tokens import generation
from sustainability.errors import UserError
from sustainability.facts.lookup import FactError, Facts
from sustainability.facts.ranges import Estimate
from sustainability.plan.break_even import BreakEven, Tokens, break_even
from tests.unit.sustainability.deployments import a_deployment

MODEL = "mistral.ministral-3-3b-instruct"
TOKENS = Tokens(input=1000, output=200)


def meet(objective: Objective = Objective.ENERGY, **changes: Any) -> BreakEven:
    return break_even(
        **{
            "objective": objective,
            "model": MODEL,
            "instance_type": "ml.inf2.xlarge",
            "tokens": TOKENS,
            "full_per_hour": 20_000.0,
            "region": "us-east-1",
            **changes,
        }
    )


def test_cost_by_hand() -> None:
    # A request costs 1,200 tokens at 0.10 USD a million; an hour 0.99 USD.
    found = meet(Objective.COST)

    assert (found.low, found.mid, found.high) == pytest.approx((8250, 8250, 8250))


def test_energy_by_hand() -> None:
    # Idle 12 + 20 W, busy 12 + 100 W; a request on Bedrock 0.0034810 + 0.2 x 0.0401518 Wh.
    tokens = generation(MODEL, Facts())
    request = tokens.wh_per_1k_input.mid + 0.2 * tokens.wh_per_1k_output.mid
    assert request == pytest.approx(0.0034810 + 0.2 * 0.0401518, rel=1e-4)
    found = meet()

    assert found.mid == pytest.approx(32 / (request - 80 / 20_000))
    assert found.low <= found.mid <= found.high
    assert found.worth_it


def test_pue_and_grid_cancel_in_energy_but_the_hardware_counts_in_carbon() -> None:
    assert meet(region="eu-north-1").mid == pytest.approx(meet(region="us-east-1").mid)
    clean, dirty = (
        meet(Objective.CARBON, region=region).mid for region in ("eu-north-1", "us-east-1")
    )
    assert clean > dirty


def test_what_both_sides_share_does_not_widen_the_break_even() -> None:
    pue = "regions/us-east-1/pue"
    known, vague = (
        meet(facts=Facts(overrides={pue: value}))
        for value in (Estimate.exact(1.15), Estimate(1.01, 1.15, 2.0))
    )
    assert (vague.low, vague.high) == pytest.approx((known.low, known.high))


def test_an_instance_that_takes_more_for_each_request_is_never_worth_it() -> None:
    found = meet(full_per_hour=2000.0)

    assert math.isinf(found.mid)
    assert not found.worth_it


def test_an_instance_with_unknown_watts_is_an_error() -> None:
    with pytest.raises(FactError, match=r"p5\.4xlarge.*power\.csv"):
        meet(instance_type="ml.p5.4xlarge")


@settings(max_examples=60, deadline=None)
@given(st.floats(100, 1e5), st.floats(100, 1e5), st.sampled_from(Objective))
def test_a_faster_instance_is_worth_it_no_later(
    one: float, other: float, objective: Objective
) -> None:
    slower, faster = sorted((one, other))

    assert meet(objective, full_per_hour=faster).mid <= meet(objective, full_per_hour=slower).mid


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 200), st.floats(0, 200))
def test_more_idle_watts_are_worth_it_no_earlier(one: float, other: float) -> None:
    less, more = (
        meet(facts=Facts(overrides={"power/host/inf2.xlarge": Estimate.exact(watts)})).mid
        for watts in sorted((one, other))
    )

    assert less <= more


def test_curves_meet_where_the_break_even_says() -> None:
    deployment = a_deployment(region="us-east-1")
    offer = Offer("ml.inf2.xlarge", 20_000)
    standard, *_, instance = curves(deployment, [offer])
    rate = meetings(deployment, [offer])[0].rates[Objective.COST].mid
    cheaper = [
        x
        for (x, bedrock), (_, own) in zip(standard.usd, instance.usd, strict=True)
        if own < bedrock
    ]

    assert min(cheaper) >= rate > max(x for x, _ in standard.usd if x < min(cheaper))


def test_tiers_differ_in_cost_alone() -> None:
    standard, flex, batch, _ = curves(a_deployment(), [Offer("ml.inf2.xlarge", 5000)])

    assert standard.energy_wh == flex.energy_wh == batch.energy_wh
    assert flex.usd[-1][1] == pytest.approx(standard.usd[-1][1] / 2)


def test_a_second_instance_starts_when_the_first_is_full() -> None:
    *_, instance = curves(a_deployment(region="us-east-1"), [Offer("ml.inf2.xlarge", 500)])
    costs = dict(instance.usd)

    assert costs[100.0] == pytest.approx(0.99)
    assert costs[1000.0] == pytest.approx(2 * 0.99)


def test_rates_run_over_whole_tenfolds() -> None:
    assert rates(5000)[0] == 1
    assert rates(5000)[-1] == 10_000


def test_offers_are_stated_or_known() -> None:
    assert offers(a_deployment(), ["ml.inf2.8xlarge=1500"]) == [Offer("ml.inf2.8xlarge", 1500)]
    assert {offer.instance_type for offer in offers(a_deployment(), [])} >= {"ml.inf2.xlarge"}
    with pytest.raises(UserError, match="write TYPE=REQUESTS"):
        offers(a_deployment(), ["inf2=many"])
