"""The serving plan: what must hold of it, whatever the deployment says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sustainability.deployment.accepted import LONGEST_ANSWER_S
from sustainability.deployment.function_sizes import (
    ANSWER_TIMEOUT_S,
    ENDPOINT_LOOK_S,
)
from sustainability.deployment.schema import (
    BedrockUse,
    Deployment,
    Rate,
    ServiceLevel,
    Tokens,
    Traffic,
)
from sustainability.facts.lookup import FactError
from sustainability.offers.target_tracking import IN_SECONDS
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Mode, ServiceLevelError, ServingPlan
from sustainability.plan.situation import Situation
from sustainability.simulation.comparison import run
from sustainability.simulation.engine import replay
from sustainability.simulation.policies import endpoint_of, planned, static
from sustainability.simulation.traffic import Rates, Request, TokenCounts, of_rates

PROD = Deployment.load("deployments/prod.yaml")
FEW = settings(max_examples=8)
"""A plan of an endpoint replays the declared week: each example takes a quarter of a second."""


def deployment(
    *,
    per_hour: float = 1000,
    latency: float = 15,
    bedrock: BedrockUse = BedrockUse.NEVER,
    **changes: Any,
) -> Deployment:
    """Return a deployment with one rate all week, and instances enough."""
    traffic = Traffic.model_validate(
        {
            **PROD.traffic.model_dump(exclude={"periods", "otherwise"}),
            "otherwise": {"mean_per_hour": per_hour, "peak_per_hour": 2 * per_hour},
        }
    )
    inference = PROD.inference.model_copy(update={"bedrock": bedrock, "max_instances": 20})
    level = ServiceLevel(latency_p95=timedelta(seconds=latency))
    return PROD.model_copy(
        update={"traffic": traffic, "inference": inference, "service_level": level, **changes}
    )


def plan_of(**options: Any) -> ServingPlan | None:
    try:
        return plan_serving(deployment(**options))
    except ServiceLevelError:
        return None


@FEW
@given(per_hour=st.floats(1, 4_000), factor=st.floats(1, 3))
def test_less_traffic_never_takes_more(per_hour: float, factor: float) -> None:
    less, more = plan_of(per_hour=per_hour), plan_of(per_hour=per_hour * factor)
    assume(less is not None and more is not None)
    assert less is not None
    assert more is not None
    assume(less.instance_type == more.instance_type)
    assert less.max_copies <= more.max_copies
    assert less.min_copies <= more.min_copies


@FEW
@given(latency=st.floats(8, 25), slack=st.floats(1, 18))
def test_a_stricter_service_level_never_takes_fewer_copies(latency: float, slack: float) -> None:
    strict, lax = plan_of(latency=latency), plan_of(latency=min(latency + slack, LONGEST_ANSWER_S))
    assume(strict is not None)
    assert strict is not None
    assert lax is not None, "what a strict level can be met with meets a lax one"
    assume(strict.instance_type == lax.instance_type)
    assert strict.max_copies >= lax.max_copies


@FEW
@given(per_hour=st.floats(0, 4_000), bedrock=st.sampled_from(BedrockUse))
def test_a_plan_is_within_its_bounds_says_why_and_comes_out_the_same_again(
    per_hour: float, bedrock: BedrockUse
) -> None:
    plan = plan_of(per_hour=per_hour, bedrock=bedrock)
    assume(plan is not None)
    assert plan is not None
    assert plan == plan_of(per_hour=per_hour, bedrock=bedrock)
    assert plan.reasons
    assert 0 <= plan.expected_utilization <= 1
    assert 0 <= plan.bedrock_share <= 1
    assert 0 <= plan.min_copies <= plan.max_copies
    assert plan.max_instances <= 20
    assert (plan.bedrock_share == 0) == (plan.mode in (Mode.REALTIME, Mode.ASYNC))


@FEW
@given(latency=st.floats(8, 26), bedrock=st.sampled_from(BedrockUse))
def test_nobody_hangs_up_on_an_answer_that_the_plan_counts_as_in_time(
    latency: float, bedrock: BedrockUse
) -> None:
    plan = plan_of(per_hour=3_000, latency=latency, bedrock=bedrock)
    assume(plan is not None)
    assert plan is not None
    assume(plan.instance_type is not None)
    assert plan.patience_s is not None
    assert plan.alarms.endpoint_latency_p95_s is not None
    assert plan.alarms.endpoint_latency_p95_s <= plan.patience_s < plan.generation_s
    situation = Situation.of(deployment(latency=latency, bedrock=bedrock))
    left = plan.generation_s - plan.patience_s - ENDPOINT_LOOK_S
    assert left >= (situation.bedrock_answer_s if bedrock is BedrockUse.ALLOWED else 0)
    assert plan.generation_s < LONGEST_ANSWER_S < ANSWER_TIMEOUT_S < 30, "what an HTTP API waits"


def test_an_endpoint_that_is_awake_answers_what_it_is_asked() -> None:
    """In the busiest hour of the example at most one answer in a thousand comes too late to use."""
    example = Deployment.load("deployments/examples/bridged.yaml")
    situation, plan = Situation.of(example), plan_serving(example)
    capacity = situation.capacity(example.service_level.latency_p95)
    busiest = max(rate.mean_per_hour for rate in situation.week)
    tokens = TokenCounts(example.traffic.input_tokens, example.traffic.output_tokens, 300)
    found = run(
        of_rates(Rates(3600, (busiest,)), tokens, seed=1),
        endpoint_of(situation, plan, capacity),
        static(plan.max_copies),
    )
    assert found.questions > 5000
    assert found.abandoned == found.bedrock_questions <= found.questions / 1000
    assert found.attainment >= example.service_level.attainment


def test_tokens_that_are_cut_count_for_neither_side_of_the_break_even() -> None:
    """What ``answers.max_tokens`` cuts is written neither by an instance nor by Bedrock."""
    cut = Deployment.load("deployments/examples/nap.yaml")
    longer = Tokens(mean=10 * cut.answers.max_tokens, p95=20 * cut.answers.max_tokens)
    at_most = Tokens(mean=cut.answers.max_tokens, p95=cut.answers.max_tokens)
    points = []
    for tokens in (longer, at_most):
        traffic = cut.traffic.model_copy(update={"output_tokens": tokens})
        situation = Situation.of(cut.model_copy(update={"traffic": traffic}))
        points.append(situation.break_even(situation.hosts(inference_components=True)[0]))
    assert points[0] == points[1]


def test_an_asynchronous_endpoint_stays_awake_as_long_in_the_plan_as_in_the_replay() -> None:
    """One question every three hours: each costs a start, its answer and the idle time."""
    example = Deployment.load("deployments/examples/async.yaml")
    rare = Rate(mean_per_hour=1 / 3, peak_per_hour=1 / 3)
    traffic = example.traffic.model_copy(update={"periods": (), "otherwise": rare})
    rarely = example.model_copy(
        update={
            "traffic": traffic.model_copy(update={"cache_hit_share": 0.0}),
            "inference": example.inference.model_copy(update={"bedrock": BedrockUse.NEVER}),
        }
    )
    situation, plan = Situation.of(rarely), plan_serving(rarely)
    assert plan.mode is Mode.ASYNC
    assert rarely.service_level.deadline is not None
    capacity = situation.capacity(rarely.service_level.deadline)
    asked = [Request(3 * 3600.0 * number, 1200, 150) for number in range(24)]
    found = replay(
        asked, endpoint_of(situation, plan, capacity), planned(plan).scaler(), duration=72 * 3600
    )
    awake = found.instance_hours / 24 * 3600
    assert awake == pytest.approx(situation.seconds("cold_start") + IN_SECONDS, abs=60)
    # Questions at random keep it awake a little longer than those at fixed times.
    assert plan.expected_instance_hours / 730 * 3 * 3600 == pytest.approx(awake, rel=0.15)


def test_a_level_that_cannot_be_met_names_the_limit_and_the_nearest_that_can() -> None:
    with pytest.raises(
        ServiceLevelError, match=r"cannot be met.*lowest latency that can be met is"
    ):
        plan_serving(deployment(latency=2))


def test_bedrock_is_left_out_where_it_may_not_be_used() -> None:
    plan = plan_of(per_hour=5, bedrock=BedrockUse.NEVER)
    assert plan is not None
    assert plan.mode is Mode.REALTIME
    assert plan.bedrock_share == 0
    assert plan.min_instances >= 1


def test_all_numbers_that_a_new_model_lacks_are_named_at_once() -> None:
    answers = PROD.answers.model_copy(update={"generator": "amazon.nova-pro-v1:0"})
    with pytest.raises(FactError) as fault:
        plan_serving(deployment(answers=answers))
    for row in ("active", "total", "input", "output"):
        assert f"'amazon.nova-pro-v1:0/{row}'" in str(fault.value)
