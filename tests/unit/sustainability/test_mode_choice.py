"""The mode of a plan: of all that meet the service level, the one that takes least in total."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sustainability.deployment.schema import BedrockUse, Deployment, Objective
from sustainability.plan.concurrency import request_rate
from sustainability.plan.interactive import bedrock_plan
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Mode, ServiceLevelError
from sustainability.plan.situation import Situation
from tests.unit.sustainability.deployments import a_deployment, traffic

BRIDGED = Deployment.load("deployments/examples/bridged.yaml")


def some_deployment(seed: int, objective: Objective) -> Deployment:
    """Return a deployment with two rates a week and all else at random."""
    random_ = random.Random(seed)
    mean_in, mean_out = random_.randint(300, 1500), random_.randint(40, 250)
    busy = 10 ** random_.uniform(1, 4)
    quiet = random_.choice([0, 20, 200, 0.9 * busy])

    def rate(mean: float) -> dict[str, float]:
        return {"mean_per_hour": mean, "peak_per_hour": mean * random_.uniform(1, 3)}

    first = random_.randint(0, 12)
    return Deployment.model_validate(
        {
            "name": "trial",
            "region": random_.choice(["eu-north-1", "us-east-1", "eu-central-1"]),
            "service_level": {
                "latency_p95": f"{random_.randint(8, 26)}s",
                "attainment": random_.choice([0.9, 0.95, 0.99, 0.999]),
            },
            "traffic": {
                "periods": [
                    {
                        "days": random_.choice(["mon-fri", "mon-sun", "sat"]),
                        "hours": f"{first}-{random_.randint(first + 1, 24)}",
                        **rate(max(busy, quiet)),
                    }
                ],
                "otherwise": rate(quiet),
                "input_tokens": {"mean": mean_in, "p95": mean_in * random_.uniform(1.1, 2)},
                "output_tokens": {"mean": mean_out, "p95": mean_out * random_.uniform(1.2, 2.5)},
            },
            "answers": {
                "generator": random_.choice(
                    [
                        "qwen.qwen3-32b-v1:0",
                        "mistral.ministral-3-8b-instruct",
                        "mistral.ministral-3-14b-instruct",
                    ]
                )
            },
            "inference": {
                "optimize": objective,
                "model": random_.choice(["qwen3-1.7b", "qwen3-8b"]),
                "max_instances": random_.choice([1, 2, 4, 10]),
            },
        }
    )


def changed(deployment: Deployment, section: str, **fields: Any) -> Deployment:
    values = {**dict(getattr(deployment, section)), **fields}
    return Deployment.model_validate({**dict(deployment), section: values})


@pytest.mark.parametrize("objective", Objective)
def test_no_other_mode_that_meets_the_level_takes_less(objective: Objective) -> None:
    """Over 200 deployments: neither Bedrock alone, nor an endpoint that is always on."""
    seen = set()
    for seed in range(200):
        deployment = some_deployment(seed, objective)
        situation = Situation.of(deployment)
        try:
            plan = plan_serving(deployment)
        except ServiceLevelError:
            assert situation.bedrock_p95_s > situation.promised_s + 1, "Bedrock would keep it"
            continue
        seen.add(plan.mode)
        takes = situation.takes(plan)
        if situation.bedrock_p95_s <= situation.promised_s + 1:
            assert takes <= situation.takes(bedrock_plan(situation, "")), (seed, plan.mode)
        if plan.mode is Mode.BEDROCK and seed % 5 == 0:
            try:
                never = plan_serving(changed(deployment, "inference", bedrock=BedrockUse.NEVER))
            except ServiceLevelError:
                continue
            assert takes <= situation.takes(never), seed
    assert Mode.BEDROCK in seen
    if objective is Objective.ENERGY:
        assert seen == {Mode.BEDROCK, Mode.BRIDGED}


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("inference", {"optimize": "carbon"}),
        ("inference", {"optimize": "cost"}),
        ("service_level", {"attainment": 0.9999}),
    ],
    ids=str,
)
def test_where_bedrock_alone_is_best_that_is_the_plan_with_its_reason(
    section: str, change: dict[str, Any]
) -> None:
    frugal = changed(BRIDGED, "answers", generator="mistral.ministral-3-14b-instruct")
    plan = plan_serving(changed(frugal, section, **change))
    assert plan.mode is Mode.BEDROCK
    assert "Bedrock answers all questions" in plan.reasons[0]


def test_two_instances_start_together_where_one_would_be_too_slow_for_what_pays() -> None:
    """One is worth while from 1,500 questions/h on, but keeps 12 s only up to 1,800."""
    periods = [{"days": "mon-sun", "hours": "6-20", "mean_per_hour": 4200, "peak_per_hour": 5000}]
    plan = plan_serving(changed(BRIDGED, "traffic", periods=periods))
    assert plan.mode is Mode.BRIDGED
    assert plan.wake is not None
    situation = Situation.of(changed(BRIDGED, "traffic", periods=periods))
    least = situation.capacity(12.0).rate_of(1, situation.deployment.service_level.attainment)
    assert plan.wake_copies == 1 or plan.wake.questions_per_hour > least * 3600


def test_a_plan_says_that_the_endpoints_answers_were_never_compared() -> None:
    assert any(
        "No comparison of their answers" in reason for reason in plan_serving(BRIDGED).reasons
    )


@pytest.mark.parametrize("bedrock", BedrockUse)
def test_a_latency_that_nothing_can_keep_is_refused(bedrock: BedrockUse) -> None:
    hasty = changed(BRIDGED, "service_level", latency_p95="50ms")
    with pytest.raises(ServiceLevelError, match=r"0\.05s cannot be met"):
        plan_serving(changed(hasty, "inference", bedrock=bedrock))


def test_the_api_lets_the_declared_peak_through_when_the_cache_answers_most_of_it() -> None:
    calm, busy = a_deployment(traffic=traffic(90)), a_deployment(traffic=traffic(180_000))
    assert request_rate(calm, 10) == 10
    assert request_rate(busy, 10) == 130  # 100 in a second, and three deviations
    assert request_rate(busy, 500) == 500


def test_concurrency_follows_from_the_peak_and_a_lower_one_is_refused() -> None:
    derived = plan_serving(changed(BRIDGED, "answers", concurrency=None)).answer_concurrency
    assert derived > 10
    with pytest.raises(ServiceLevelError, match=rf"answers.concurrency is 5, .* state {derived}"):
        plan_serving(changed(BRIDGED, "answers", concurrency=5))


@pytest.mark.parametrize("per_hour", [1e7, 1e13])
@pytest.mark.parametrize("bedrock", BedrockUse)
def test_what_no_account_can_serve_is_refused_for_that_reason(
    bedrock: BedrockUse, per_hour: float
) -> None:
    rate = {"mean_per_hour": per_hour, "peak_per_hour": per_hour}
    huge = changed(BRIDGED, "traffic", periods=[], otherwise=rate)
    reason = r"the peak of [18][\d,]+ questions/h (keeps|needs)"
    with pytest.raises(ServiceLevelError, match=reason):
        plan_serving(changed(huge, "inference", bedrock=bedrock))


def test_both_sides_of_the_break_even_end_an_answer_at_its_longest() -> None:
    nap = Deployment.load("deployments/examples/nap.yaml")
    most = nap.answers.max_tokens
    asked, ended = (
        changed(nap, "traffic", output_tokens={"mean": mean, "p95": 2 * mean})
        for mean in (20 * most, most)
    )
    (host, *_) = Situation.of(nap).hosts(inference_components=True)
    assert Situation.of(asked).break_even(host) == Situation.of(ended).break_even(host)
    assert Situation.of(nap).break_even(host) != Situation.of(ended).break_even(host)
