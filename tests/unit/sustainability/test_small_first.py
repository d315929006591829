from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.energy.demand import Demand
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.footprint.coefficients import coefficients
from sustainability.footprint.footprint import footprint
from sustainability.footprint.statement import answer_coefficients
from sustainability.plan.serving import plan_serving
from tests.unit.sustainability.deployments import a_deployment, traffic

SMALL, LARGE = "mistral.ministral-3-3b-instruct", "qwen.qwen3-32b-v1:0"


def asked_first(
    generator: str = LARGE, detail: str = "brief", latency: str = "12s", **first: Any
) -> Deployment:
    return a_deployment(
        service_level={"latency_p95": latency},
        traffic=traffic(20),
        answers={"generator": generator, "detail": detail, "small_first": first},
    )


def test_nothing_is_asked_first_unless_the_file_says_so() -> None:
    assert SmallFirst.of(a_deployment(), Facts()) == SmallFirst()


def test_a_step_without_a_gain_is_left_out_with_its_reason() -> None:
    gain = asked_first(fit=None, model=SMALL, accepted=0.5)
    loss = asked_first(generator=SMALL, fit=None, model=LARGE, accepted=0.9)
    same = asked_first(generator=SMALL, fit=None, model=SMALL, accepted=0.9)
    seldom = asked_first(fit=None, model=SMALL, accepted=0.001)
    assert SmallFirst.of(gain, Facts()).model == SMALL
    for each in (loss, same, seldom):
        found = SmallFirst.of(each, Facts())
        assert found.model is None
        assert "no gain" in found.reasons[0]
        assert found.reasons[0] in plan_serving(each).reasons
    full = SmallFirst.of(asked_first(detail="full"), Facts())
    assert (full.fit, full.left) == (None, 1)


def test_two_models_in_turn_must_fit_into_the_service_level() -> None:
    slow, hurried = (
        SmallFirst.of(asked_first(latency=each, fit=None, model=SMALL, accepted=0.5), Facts())
        for each in ("20s", "6s")
    )
    assert slow.model == SMALL
    assert hurried.model is None
    assert "would need" in hurried.reasons[0]


def test_the_footprint_counts_every_attempt() -> None:
    alone = asked_first(fit=None)
    both = asked_first(model=SMALL, accepted=0.5)
    before, after = (Demand.of(each, Facts()) for each in (alone, both))
    share = Facts()("workload/quoted_share", "ratio").mid
    assert after.generated == pytest.approx(before.generated * (1 - share) * 0.5)
    assert after.asked_small == pytest.approx(before.generated * (1 - share))
    parts = {part.name: part for part in footprint(both, plan_serving(both)).components}
    assert parts["Smaller model, asked first"].traffic.kwh.mid > 0
    # What an answer states, and what the hourly record multiplies, is the same number.
    stated = answer_coefficients(both, plan_serving(both))["small"]["writing"]["wh"][1]
    hourly = coefficients(both, plan_serving(both))["small_output_tokens"].kwh.mid
    assert stated == pytest.approx(1e6 * hourly, rel=1e-4)
    assert "small" not in json.dumps(answer_coefficients(alone, plan_serving(alone)))


def test_a_model_needs_the_share_of_its_answers_that_is_taken() -> None:
    with pytest.raises(ValidationError, match="accepted"):
        asked_first(model=SMALL)


def test_an_unknown_model_is_refused_with_its_key() -> None:
    with pytest.raises(DeploymentError, match=r"answers\.small_first\.model"):
        plan_serving(asked_first(model="mistral.nothing", accepted=0.5))
