from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.__main__ import main
from sustainability.decide.customization.advice import advise
from sustainability.decide.customization.ladder import Ladder, Payback, climb
from sustainability.deployment.schema import Deployment, Rung
from sustainability.energy.site import Site
from sustainability.energy.training import training
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.region_services import instance_regions
from sustainability.offers.training import distillation_pairs, regions_with
from sustainability.plan.serving import plan_serving
from sustainability.report import customization as report
from tests.unit.sustainability.deployments import a_deployment, a_plan, traffic

BUSY = {
    "traffic": {
        "timezone": "Europe/Stockholm",
        "periods": [
            {"days": "mon-fri", "hours": "8-18", "mean_per_hour": 7000, "peak_per_hour": 9000}
        ],
        "otherwise": {"mean_per_hour": 300, "peak_per_hour": 900},
        "input_tokens": {"mean": 1600, "p95": 2200},
        "output_tokens": {"mean": 60, "p95": 120},
    },
    "answers": {"generator": "qwen.qwen3-32b-v1:0", "concurrency": 60},
}


def ladder(*, planned: bool = False, **sections: Any) -> Ladder:
    deployment = a_deployment(**sections)
    return climb(deployment, plan_serving(deployment) if planned else a_plan())


def test_training_takes_operations_over_speed_times_power_by_hand() -> None:
    facts = Facts()
    site = Site.of_region("eu-north-1", a_deployment().footprint.accounting, facts)
    impact = training(Estimate.exact(70e12 * 0.3 * 3600), "ml.g5.xlarge", site)
    # One hour: the host's 14.8 W and 153 W of the A10G, times the PUE of 1.10. Before it the
    # instance starts, idle at 14.8 and 18 W.
    start = facts("customization/start", "h").mid
    assert impact.kwh.mid == pytest.approx((14.8 + 153 + start * (14.8 + 18)) / 1000 * 1.10)


def test_payback_is_what_was_spent_over_what_an_answer_saves() -> None:
    once, before, after = Estimate(10, 20, 40), Estimate(2, 4, 8), Estimate(1, 2, 4)
    assert Payback.of(once, before, after, alike=True) == Payback(10 / 4, 20 / 2, 40 / 1)
    # Of other hardware, a low estimate may meet a high one: then it may never pay.
    assert Payback.of(once, before, after, alike=False) == Payback(10 / 7, 20 / 2, math.inf)


@given(
    st.tuples(*[st.floats(0.001, 1e3)] * 3),
    st.tuples(*[st.floats(0, 1e3)] * 3),
    st.tuples(*[st.floats(0, 1e3)] * 3),
    st.booleans(),
)
def test_payback_is_ordered_and_never_where_nothing_is_saved(
    once: Any, before: Any, after: Any, alike: bool
) -> None:
    found = Payback.of(*(Estimate(*sorted(x)) for x in (once, before, after)), alike=alike)
    assert found.low <= found.mid <= found.high
    assert (found.mid == math.inf) == (sorted(before)[1] <= sorted(after)[1])


def test_every_rung_states_ranges_and_staying_takes_nothing() -> None:
    found = ladder()
    assert [step.rung for step in found.steps] == list(Rung)
    assert found[Rung.STAY].once.kwh.high == 0
    for step in found.steps[1:]:
        assert 0 < step.once.kwh.low < step.once.kwh.high
        assert step.once.usd.mid > 0
        assert step.once.carbon_g.mid > 0
    for cheap, dear in ((Rung.PROMPTS, Rung.PEFT), (Rung.PEFT, Rung.SCRATCH)):
        assert found[cheap].once.kwh.mid < found[dear].once.kwh.mid


def test_attempts_evaluation_compile_and_teacher_are_in_what_a_rung_takes() -> None:
    found = ladder()
    names = {part.name for part in found[Rung.DISTILLATION].parts}
    assert names == {"teacher", "preparation and gate", "training", "evaluation", "compile"}


def test_tokens_saved_make_the_payback_shorter() -> None:
    def payback(tokens: int) -> float:
        found = ladder(planned=True, **BUSY,
                       customization={"examples": 500, "tokens_saved": tokens})  # fmt: skip
        return found[Rung.PEFT].energy.mid

    assert payback(1200) < payback(600) < payback(0)


def test_it_says_stay_where_the_score_suffices_and_nothing_is_saved() -> None:
    found = ladder(customization={"score": 0.92, "good_enough": 0.9, "examples": 300})
    advice = advise(found, 0.92)
    assert advice.rung is Rung.STAY
    assert found[Rung.PEFT].energy.mid == math.inf
    assert any("never paid back" in reason for reason in advice.reasons)


def test_it_says_stay_where_the_questions_cannot_tell_the_gap() -> None:
    found = ladder(customization={"good_enough": 0.9, "golden_questions": 30, "examples": 900})
    assert advise(found, 0.88).rung is Rung.STAY
    assert advise(found, 0.5).rung is Rung.PROMPTS


def test_it_climbs_rung_by_rung_and_skips_what_is_not_possible() -> None:
    def next_rung(**wishes: Any) -> Rung:
        return advise(ladder(customization=wishes), 0.4).rung

    assert next_rung() is Rung.PROMPTS
    assert next_rung(tried=["prompts"], examples=400) is Rung.PEFT
    assert next_rung(tried=["prompts"], examples=40) is Rung.DISTILLATION
    assert next_rung(tried=["prompts"], need="knowledge") is Rung.RAG
    assert next_rung(need="vocabulary", tried=["prompts", "rag", "peft"],
                     domain_tokens=5e7) is Rung.FULL  # fmt: skip
    assert next_rung(need="vocabulary", tried=["prompts", "rag"]) is Rung.STAY


def test_a_busy_classification_with_a_long_prompt_pays_back_before_its_data_changes() -> None:
    found = ladder(planned=True, **BUSY,
                   customization={"examples": 500, "tokens_saved": 1200})  # fmt: skip
    step = found[Rung.PEFT]
    assert step.energy.mid < found.lasting_answers
    assert advise(found, 0.95).rung in (Rung.PEFT, Rung.DISTILLATION)


def test_data_that_changes_daily_is_never_worth_tuning() -> None:
    busy = {**BUSY, "customization": {"examples": 500, "tokens_saved": 200,
                                      "changes_per_year": 20000}}  # fmt: skip
    assert advise(ladder(planned=True, **busy), 0.95).rung is Rung.STAY


def test_silicon_and_region_are_compared_together() -> None:
    places = ladder(customization={"examples": 20000}).places
    assert "eu-north-1" not in regions_with("ml.trn1.2xlarge")
    trainium = next(p for p in places if p.instance_type == "ml.trn1.2xlarge")
    gpu = next(p for p in places if p.region == "eu-north-1" and p.instance_type == "ml.g5.xlarge")
    assert trainium.region == "us-west-2"
    assert trainium.impact.kwh.mid < gpu.impact.kwh.mid  # the better silicon
    assert trainium.impact.carbon_g.mid > gpu.impact.carbon_g.mid  # on the dirtier grid


def test_the_rule_on_training_regions_knows_the_same_grids() -> None:
    facts = Facts()
    table = Path("cfn_sustainability/data/training_regions.csv").read_text().splitlines()[1:]
    rows = {(family, region): grams for family, region, grams in (row.split(",") for row in table)}
    for family, kind in (("trn1", "trn1.32xlarge"), ("g5", "g5.xlarge"), ("g6", "g6.xlarge")):
        for region in instance_regions(kind):
            if facts.has(f"regions/{region}/grid"):
                grid = facts(f"regions/{region}/grid", "gCO2e/kWh").mid
                grams = grid * facts(f"regions/{region}/pue", "ratio").mid
                assert rows[family, region] == f"{grams:.0f}"


def test_training_stays_within_the_area_of_the_deployment() -> None:
    found = ladder(footprint={"within": "EU"})
    assert all(not where.region.startswith("us-") for where in found.places)
    with pytest.raises(UserError, match=r"footprint\.within: no Region in NZ has .*; widen it"):
        ladder(footprint={"within": "NZ"})


def test_a_model_without_a_size_is_refused_with_the_row_to_add() -> None:
    with pytest.raises(UserError, match=r"customization\.base: 'mine' has no row size/mine"):
        ladder(customization={"base": "mine"})


def test_bedrock_pairs_never_teach_from_a_smaller_model() -> None:
    pairs = distillation_pairs()
    assert {pair.region for pair in pairs} == {"us-east-1", "us-west-2"}
    assert not any(pair.teacher.startswith("anthropic.") for pair in pairs)
    assert all(pair.teacher != pair.student for pair in pairs)


def test_the_three_reports_tell_the_same(tmp_path: Path, capsys: Any) -> None:
    page = tmp_path / "ladder.html"
    code = main(["customize", "deployments/examples/bridged.yaml", "--advise", "--score", "0.4",
                 "--html", str(page)])  # fmt: skip
    text = capsys.readouterr().out
    assert code == 0
    assert main(["customize", "deployments/examples/bridged.yaml", "--advise", "--score", "0.4",
                 "--json"]) == 0  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert f"Next: {told['next']}" in text
    assert told["next"] == "prompts"
    assert "Next: better prompts" in page.read_text()
    assert [rung["rung"] for rung in told["rungs"]] == [rung.value for rung in Rung]
    assert report.EXPLANATION in text
    assert "customization: attempts, peft" in page.read_text()  # words, not keys
    assert "customization/attempts" not in page.read_text()


def test_an_extractive_generator_has_nothing_to_save() -> None:
    found = ladder(answers={"generator": "extractive"}, customization={"examples": 500})
    assert found[Rung.PEFT].energy.low == math.inf
    assert found[Rung.DISTILLATION].obstacle == "no teacher: the generator is extractive"


def test_traffic_of_nothing_is_answered() -> None:
    assert advise(ladder(traffic=traffic(0)), 0.95).rung is Rung.STAY


@pytest.mark.parametrize(
    ("case", "rung"),
    [
        ("house-style", Rung.STAY),
        ("classification", Rung.PEFT),
        ("vocabulary", Rung.FULL),
    ],
)
def test_the_cases_of_the_documentation_end_as_it_says(case: str, rung: Rung) -> None:
    deployment = Deployment.load(f"samples/customization/cases/{case}.yaml")
    found = climb(deployment, plan_serving(deployment))
    assert advise(found, found.answers.wishes.score).rung is rung
