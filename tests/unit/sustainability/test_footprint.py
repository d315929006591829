from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainability.decide.region_requirements import check_offers
from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import Demand
from sustainability.energy.impact import Component, Impact
from sustainability.energy.tokens import generation, prefill
from sustainability.facts.lookup import FactError, Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint.baseline import baseline
from sustainability.footprint.coefficients import coefficients
from sustainability.footprint.footprint import Footprint, footprint, influences
from sustainability.footprint.sci import manifest, score
from sustainability.footprint.statement import answer_coefficients, share
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Batch, Mode
from sustainability.report.footprint import as_json, as_text, synth_line
from sustainability.report.text import amount
from tests.unit.sustainability.deployments import a_deployment, a_plan, traffic

DEV = Path(__file__).parents[3] / "deployments" / "dev.yaml"
MODEL = "mistral.ministral-3-3b-instruct"
DOMAIN = {"store": "domain", "domain": {"instance_type": "m7g.large.search", "volume_gb": 20}}
HIGH = {"latency_p95": "12s", "availability": "high"}
rates = st.floats(min_value=0, max_value=1e5)
stores = st.sampled_from([{"store": "serverless"}, DOMAIN])


def component(result: Footprint, name: str) -> Component:
    return next(component for component in result.components if component.name == name)


def sized(billions: float) -> Facts:
    """Facts in which the generator has so many parameters."""
    size = Estimate.exact(billions)
    return Facts(overrides={f"models/{MODEL}/active": size, f"models/{MODEL}/total": size})


def test_three_nodes_day_and_night_by_hand() -> None:
    result = footprint(a_deployment(knowledge=DOMAIN, service_level=HIGH), a_plan())
    always = component(result, "Knowledge store").idle
    # Node: 2 vCPU x 1.08 W + 8 GiB x 0.392 W; disk: 20 GB x 2 copies x 1.2 W/TB; 3 nodes, 730 h.
    kwh = (2 * 1.08 + 8 * 0.392 + 0.04 * 1.2) * 3 * 730 / 1000 * 1.10

    assert always.kwh.mid == pytest.approx(kwh)
    assert always.kwh.mid == pytest.approx(12.873696)
    assert always.operational_g.mid == pytest.approx(12.873696 * 35.26)
    assert always.embodied_g.mid == pytest.approx(
        # 5.78 kg a vCPU, 1.97 kg a GiB, 55 kg a TB, over 5 years.
        (2 * 5.78 + 8 * 1.97 + 0.04 * 55) * 1000 / (5 * 8760) * 2190
    )
    assert always.usd.mid == pytest.approx((3 * 730 * 0.136 + 3 * 20 * 0.122) * 1.06)


def test_a_serverless_store_is_awake_for_ten_minutes_after_each_question_by_hand() -> None:
    deployment = a_deployment(traffic=traffic(6), knowledge={"store": "serverless", "documents": 0})
    awake = component(footprint(deployment, a_plan()), "Knowledge store").traffic
    # Six questions an hour, at random: one in ten minutes, so asleep for 1/e of the time.
    ocu_hours = 2 * 730 * (1 - 2.718281828459045**-1)

    assert awake.usd.mid == pytest.approx(ocu_hours * 0.24 * 1.06)
    assert awake.kwh.mid == pytest.approx(ocu_hours * (1.08 + 6 * 0.392 + 0.12 * 1.2) / 1000 * 1.10)


def test_nothing_but_storage_polling_and_alarms_is_left_when_nobody_asks() -> None:
    idle = footprint(a_deployment(), a_plan())

    assert {entry.name for entry in idle.components if entry.idle.kwh.high} == {
        "Knowledge store",
        "Documents",
        "API, queue and tables",
        "Watching",
        "Hourly footprint record",
    }
    assert idle.idle.kwh.mid < 0.01


WRITTEN = 0.0401518
"""Wh of 1,000 tokens of the small model, by hand below."""


def test_a_token_on_bedrock_by_hand() -> None:
    tokens = generation(MODEL, Facts())
    # 3.32 billion parameters of 2 bytes in batches of 64 on one GPU.
    joules = 0.00261 * 3.32 + 0.222 * 6.64 / 64 + 1.08 / 64 + 0.0476
    seconds = 1.37e-6 * 3.32 + 4.62e-4 * 6.64 / 64 + 4.42e-3 / 64 + 9.77e-5
    # 150 W of the server for each GPU; 12 % of the machines wait.
    assert tokens.wh_per_1k_output.mid == pytest.approx(
        (joules + 150 * seconds) * 1.12 * 1000 / 3600
    )
    assert tokens.wh_per_1k_output.mid == pytest.approx(WRITTEN, rel=1e-5)
    # A server of eight GPUs takes 10,512 kg to make, lives 5 years and works for 60 % of them.
    made = 10_512_000 / 8 / (5 * 8760 * 3600 * 0.6)
    assert tokens.embodied_g_per_1k_output.mid == pytest.approx(1000 * seconds * made)
    # Reading: 2 operations for each parameter at 45 % of 989 TFLOP/s, with 750 W.
    reading = 2 * 3.32e9 / (989e12 * 0.45)
    assert tokens.wh_per_1k_input.mid == pytest.approx(reading * 750 * 1.12 * 1000 / 3600)
    assert tokens.embodied_g_per_1k_input.mid == pytest.approx(1000 * reading * made)


def test_the_range_of_the_server_without_its_gpus_reaches_reading_and_writing() -> None:
    # Nothing else is uncertain: 735 to 2,800 W for eight GPUs beside 600 W of each while it reads.
    tokens = generation(MODEL, Facts(varying="llm/server_power"))
    read, written = tokens.wh_per_1k_input, tokens.wh_per_1k_output

    assert read.low / read.mid == pytest.approx((600 + 735 / 8) / 750, rel=0.01)
    assert read.high / read.mid == pytest.approx((600 + 2800 / 8) / 750, rel=0.01)
    assert written.low < written.mid < written.high


def test_four_bit_weights_need_one_gpu_and_few_reads() -> None:
    # gpt-oss-120b takes less than a dense model of 32 billion parameters, as measured.
    sparse, dense = (
        generation(model, Facts()).wh_per_1k_output.mid
        for model in ("openai.gpt-oss-120b-1:0", "qwen.qwen3-32b-v1:0")
    )
    assert sparse < dense


def test_published_energy_of_a_prompt_is_within_the_range() -> None:
    # Epoch AI (2025): 500 tokens of a 20-billion-parameter model take 0.06 Wh at PUE 1.2.
    answer = generation(MODEL, sized(20)).wh_per_1k_output * (0.5 * 1.2)
    # Its prompt of 10,000 tokens to 100 billion active parameters adds 2.2 Wh.
    prompt = prefill(MODEL, sized(100)) * (10 * 1.2)

    assert answer.low < 0.06 < answer.high
    assert prompt.low < 2.2 < prompt.high


def test_answer_coefficients_are_at_the_wall_and_count_the_hardware() -> None:
    coefficients = answer_coefficients(a_deployment(), a_plan())
    written = coefficients["bedrock"]["writing"]

    assert written["wh"][1] == pytest.approx(WRITTEN * 1.10, rel=1e-5)
    assert written["gco2e"][1] > written["wh"][1] * 35.26 / 1000
    assert "endpoint" not in coefficients


@pytest.mark.parametrize("name", ["dev", "prod", "local", "examples/bridged"])
def test_a_thousand_shares_are_the_footprint_of_a_thousand_answers(name: str) -> None:
    deployment = Deployment.load(DEV.parent / f"{name}.yaml")
    plan = plan_serving(deployment)
    one, month = share(deployment, plan), footprint(deployment, plan)
    answers = month.per_1000_answers
    assert answers is not None
    for measure, estimate in (
        ("energy_wh", answers.kwh * 1000),
        ("carbon_gco2e", answers.carbon_g),
        ("water_l", answers.litres),
        ("cost_usd", answers.usd),
    ):
        thousand = [1000 * end for end in one[measure].values()]
        assert thousand == pytest.approx(estimate.as_list(), rel=1e-5)


@pytest.mark.parametrize("store", [{"store": "serverless"}, {"store": "vectors"}])
def test_what_all_questions_add_is_what_the_month_takes_beyond_its_idle_floor(
    store: dict[str, Any],
) -> None:
    deployment = a_deployment(
        traffic=traffic(6), knowledge={**store, "documents": 0, "embedding": {"dimensions": 512}}
    )
    added = answer_coefficients(deployment, a_plan())
    demand, facts = Demand.of(deployment, Facts()), Facts()
    tokens = facts("workload/question_tokens", "tokens").mid
    wh = (
        added["request"]["wh"][1]
        + added["search"]["wh"][1]
        + added["bedrock"]["reading"]["wh"][1]
        + added["bedrock"]["writing"]["wh"][1] * 0.2
        + added["embedding"]["wh"][1] * tokens / 1000
    ) * demand.questions + added["awake"]["wh"][1] * demand.search_hours * 3600
    month = footprint(deployment, a_plan())
    # Waiting functions, metrics and the record belong to an hour, whoever asks in it first.
    hours = coefficients(deployment, a_plan())["active_hours"].kwh.mid * demand.asked_hours
    beyond = month.traffic.kwh.mid - month.idle.kwh.mid - hours
    assert wh == pytest.approx(beyond * 1000, rel=1e-4)


def test_an_answer_by_its_coefficients_is_the_footprints_generation() -> None:
    deployment = a_deployment(traffic=traffic(100))
    coefficients = answer_coefficients(deployment, a_plan())["bedrock"]
    generated = component(footprint(deployment, a_plan()), "Generation on Bedrock").traffic
    answers = 100 * 730

    low, mid, high = (
        answers
        / 1000
        * (coefficients["reading"]["wh"][end] * 1.0 + coefficients["writing"]["wh"][end] * 0.2)
        for end in range(3)
    )
    assert mid == pytest.approx(generated.kwh.mid, rel=1e-4)
    # An answer adds the ends of two ranges, the footprint adds draw by draw.
    assert low <= generated.kwh.low
    assert high >= generated.kwh.high


@pytest.mark.parametrize(("per_hour", "discount"), [(4, 1.0), (5, 0.5)])
def test_only_windows_of_a_hundred_questions_have_the_price_of_batch_jobs(
    per_hour: float, discount: float
) -> None:
    deployment = a_deployment(traffic=traffic(per_hour))
    at_once, later = (
        component(footprint(deployment, a_plan(batch=batch)), "Generation on Bedrock").traffic
        for batch in (None, Batch(hours=(2,), run_s=3600))
    )
    assert later.usd.mid == pytest.approx(at_once.usd.mid * discount)
    assert later.kwh == at_once.kwh


def test_an_instances_tokens_add_up_to_the_footprints_instances() -> None:
    plan = a_plan(
        mode=Mode.REALTIME,
        instance_type="ml.inf2.xlarge",
        model=InferenceModel.named("qwen3-1.7b", Facts()),
        copies_per_instance=1,
        expected_utilization=0.4,
        expected_instance_hours=730.0,
        bedrock_share=0.0,
    )
    deployment = a_deployment()
    coefficients = answer_coefficients(deployment, plan)["endpoint"]
    per_answer = coefficients["reading"]["wh"][1] * 1.0
    per_answer += coefficients["writing"]["wh"][1] * 0.2
    # A copy is busy for the whole of reading, and for an eighth of writing with eight slots.
    model = plan.model
    assert model is not None
    seconds = model.prefill.mid * 1000 + model.decode.mid * 200 / model.slots
    answers = 730 * 3600 * plan.expected_utilization / seconds
    month = footprint(deployment, plan)
    instances = component(month, "Instances, idle power").traffic.kwh.mid
    instances += component(month, "Instances, work").traffic.kwh.mid

    assert answers * per_answer / 1000 == pytest.approx(instances, rel=1e-4)
    low, mid, high = coefficients["writing"]["wh"]
    assert low < mid < high


@pytest.mark.parametrize("utilization", [0.0, 0.02, 0.5, 1.0])
def test_a_token_takes_less_on_a_busier_instance(utilization: float) -> None:
    def wh(expected: float) -> float:
        plan = a_plan(
            instance_type="ml.inf2.xlarge",
            model=InferenceModel.named("qwen3-1.7b", Facts()),
            copies_per_instance=1,
            expected_utilization=expected,
        )
        found: float = answer_coefficients(a_deployment(), plan)["endpoint"]["writing"]["wh"][1]
        return found

    assert wh(1.0) <= wh(utilization) <= wh(0.01)


def test_answers_that_quote_take_no_tokens_of_any_generator() -> None:
    deployment = a_deployment(answers={"generator": "extractive"})
    plan = plan_serving(deployment)
    coefficients = answer_coefficients(deployment, plan)

    assert coefficients["bedrock"]["writing"]["wh"] == [0, 0, 0]
    assert coefficients["request"]["wh"][1] > 0
    assert component(footprint(deployment, plan), "Generation on Bedrock").traffic == Impact()
    check_offers(deployment, plan)


def test_a_cross_region_profile_spans_the_grids_it_may_reach() -> None:
    nova = a_deployment(answers={"generator": "amazon.nova-lite-v1:0"})
    here = answer_coefficients(nova, a_plan())["bedrock"]["writing"]["gco2e"]
    profile = a_deployment(answers={"generator": "eu.amazon.nova-lite-v1:0"})
    low, mid, high = answer_coefficients(profile, a_plan())["bedrock"]["writing"]["gco2e"]

    assert low < here[1]
    assert mid > here[1]
    assert high > here[2]
    assert any("another Region" in warning for warning in footprint(profile, a_plan()).warnings)


def test_market_based_carbon_of_a_matched_region_is_the_hardware_alone() -> None:
    market = a_deployment(footprint={"accounting": "market"})
    result = footprint(market, a_plan())

    assert result.traffic.operational_g == Estimate.exact(0)
    assert result.traffic.embodied_g.mid > 0


def test_a_model_without_a_row_is_an_error_that_names_file_and_columns() -> None:
    deployment = a_deployment(answers={"generator": "acme.thinker-v1:0"})

    with pytest.raises(
        FactError, match=r"acme\.thinker-v1:0/active.*data/models\.csv.*low, mid, high"
    ):
        footprint(deployment, a_plan())


def test_a_real_time_endpoint_idles_and_the_other_modes_sleep() -> None:
    on = {"instance_type": "ml.inf2.xlarge", "expected_instance_hours": 1460.0}
    modes = {
        mode: component(footprint(a_deployment(), a_plan(mode=mode, **on)), "Instances, idle power")
        for mode in (Mode.REALTIME, Mode.BRIDGED)
    }

    assert modes[Mode.BRIDGED].idle.kwh == Estimate.exact(0)
    # One instance of a host at 12 W and one device idle at 20 W, 730 h.
    assert modes[Mode.REALTIME].idle.kwh.mid == pytest.approx((12 + 20) * 0.73 * 1.10)
    assert modes[Mode.REALTIME].traffic.usd.mid == pytest.approx(1460 * 0.99 * 1.06)


def test_1000_answers_add_up_over_the_month() -> None:
    result = footprint(a_deployment(), a_plan())

    assert result.per_1000_answers is not None
    assert result.per_1000_answers.usd.mid * 73 == pytest.approx(result.traffic.usd.mid)
    assert footprint(a_deployment(traffic=traffic(0)), a_plan()).per_1000_answers is None


def test_all_hardware_has_one_life_and_a_range_and_is_named_among_the_influences() -> None:
    deployment = Deployment.load("deployments/examples/bridged.yaml")
    plan = plan_serving(deployment)
    short = Facts(overrides={"embodied/lifetime": Estimate.exact(2.5)})  # half of the middle
    for name in ("Generation on Bedrock", "Embeddings", "Instances, idle power"):
        five, half = (
            component(footprint(deployment, plan, facts), name).traffic.embodied_g
            for facts in (Facts(), short)
        )
        assert five.low < five.mid < five.high
        assert half.mid == pytest.approx(2 * five.mid)
    named = [one.fact.path for one in influences(deployment, plan)[:3]]
    assert any(path.startswith("embodied/") for path in named), named


def test_influences_name_the_facts_that_move_the_result_most() -> None:
    found = influences(a_deployment(traffic=traffic(50_000)), a_plan())

    assert found[0].fact.path == "llm/batch"
    assert [one.swing for one in found] == sorted((one.swing for one in found), reverse=True)


@pytest.mark.parametrize("generator", [MODEL, "eu.amazon.nova-lite-v1:0"])
def test_an_influence_contains_the_mid_and_only_its_own_range(generator: str) -> None:
    deployment = a_deployment(answers={"generator": generator})
    mid = footprint(deployment, a_plan()).traffic.carbon_g.mid
    found = {one.fact.path: one.carbon_g for one in influences(deployment, a_plan())}

    assert all(one.low <= mid * (1 + 1e-9) for one in found.values())
    assert all(one.high >= mid * (1 - 1e-9) for one in found.values())
    assert found["prices/other_region"].low == pytest.approx(found["prices/other_region"].high)


@pytest.mark.parametrize("mode", ["bridged", "realtime", "async", "batch"])
def test_the_influence_of_each_fact_can_be_told_in_every_mode(mode: str) -> None:
    deployment = Deployment.load(f"deployments/examples/{mode}.yaml")
    paths = {one.fact.path for one in influences(deployment, plan_serving(deployment))}

    assert "power/idle/inf2" in paths


def test_the_synth_line_is_one_line_with_both_figures() -> None:
    line = synth_line(footprint(a_deployment(), a_plan()))

    assert "\n" not in line
    assert "idle" in line
    assert "1,000 answers" in line


@settings(max_examples=50, deadline=None)
@given(rates, rates, stores)
def test_more_traffic_never_takes_less(one: float, other: float, knowledge: dict[str, Any]) -> None:
    low, high = sorted((one, other))
    less, more = (
        footprint(a_deployment(traffic=traffic(rate), knowledge=knowledge), a_plan()).traffic
        for rate in (low, high)
    )

    for before, after in zip(
        (less.kwh, less.carbon_g, less.usd), (more.kwh, more.carbon_g, more.usd), strict=True
    ):
        assert all(
            first <= last * (1 + 1e-12)
            for first, last in zip(before.as_list(), after.as_list(), strict=True)
        )


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1500), st.floats(0, 1500), stores)
def test_a_cleaner_grid_never_emits_more(
    one: float, other: float, knowledge: dict[str, Any]
) -> None:
    deployment = a_deployment(knowledge=knowledge)
    cleaner, dirtier = (
        footprint(
            deployment,
            a_plan(),
            Facts(overrides={"regions/eu-north-1/grid": Estimate.exact(grams)}),
        ).traffic.carbon_g
        for grams in sorted((one, other))
    )

    assert cleaner.mid <= dirtier.mid


@settings(max_examples=50, deadline=None)
@given(rates, st.floats(0, 0.99), stores, st.integers(0, 100_000))
def test_no_component_takes_less_under_traffic_than_idle(
    rate: float, cached: float, knowledge: dict[str, Any], documents: int
) -> None:
    deployment: Deployment = a_deployment(
        traffic=traffic(rate, cache_hit_share=cached),
        knowledge={**knowledge, "documents": documents},
    )

    for entry in footprint(deployment, a_plan()).components:
        assert entry.idle.kwh.mid <= entry.traffic.kwh.mid
        assert entry.idle.usd.mid <= entry.traffic.usd.mid


@pytest.mark.parametrize(("availability", "warns"), [("best_effort", False), ("standard", True)])
def test_watching_that_costs_more_than_what_it_watches_is_warned_of(
    availability: str, warns: bool
) -> None:
    deployment = a_deployment(
        knowledge={"store": "vectors"},
        traffic=traffic(6),
        service_level={"latency_p95": "12s", "availability": availability},
    )
    result = footprint(deployment, a_plan())
    paid = result.watching_usd.mid - result.allowance_usd.mid
    assert (paid > result.watched_usd.mid) is warns
    assert any("Watching costs" in warning for warning in result.warnings) is warns
    assert 0 < result.allowance_usd.mid <= result.watching_usd.mid
    total = result.watching_usd.mid + result.watched_usd.mid
    assert result.traffic.usd.mid == pytest.approx(total)


def test_the_manifest_has_the_parts_from_which_the_score_is_computed() -> None:
    deployment, plan = a_deployment(), a_plan()
    found, month = score(deployment, plan), footprint(deployment, plan)
    told = manifest(found, month)
    node = told["tree"]["children"][deployment.name]
    assert node["pipeline"]["compute"] == list(told["initialize"]["plugins"])
    (given,) = node["inputs"]
    parts = told["initialize"]["plugins"]["sum"]["config"]["input-parameters"]
    _, middle, _ = found["scores"]["answer"]
    assert sum(given[part] for part in parts) / given["answers"] == pytest.approx(middle, rel=0.01)
    assert given["duration"] == 730 * 3600


def test_the_score_of_sci_counts_all_of_the_month_and_is_location_based() -> None:
    market = a_deployment(footprint={"accounting": "market"})
    located = footprint(a_deployment(), a_plan())
    stated = score(market, a_plan())
    assert located.per_1000_answers is not None
    thousand = [1000 * end for end in stated["scores"]["answer"]]
    assert thousand == pytest.approx(located.per_1000_answers.carbon_g.as_list())
    assert (stated["boundary"], stated["intensity"]) == ("consumer", "location-based")
    # 1,200 tokens an answer, none of them from a cache.
    assert stated["scores"]["1000_tokens"][1] == pytest.approx(stated["scores"]["answer"][1] / 1.2)


def test_water_is_of_the_computers_and_wider_where_aws_states_none() -> None:
    here = footprint(a_deployment(), a_plan()).traffic
    assert here.litres.mid == pytest.approx(here.kwh.mid / 1.10 * 0.02)
    cape = footprint(a_deployment(region="af-south-1"), a_plan()).traffic
    assert cape.litres.high / cape.litres.low > here.litres.high / here.litres.low


def test_water_at_the_power_plants_is_stated_apart_and_for_all_energy() -> None:
    result = footprint(a_deployment(), a_plan())
    source, answered = result.source_litres_per_1000_answers, result.per_1000_answers
    assert source is not None
    assert answered is not None
    assert source.mid == pytest.approx(answered.kwh.mid * 3.44)
    assert source.high / source.low > answered.kwh.high / answered.kwh.low
    assert footprint(a_deployment(traffic=traffic(0)), a_plan()).source_litres_per_1000_answers is (
        None
    )
    assert f"{amount(source.mid * 1000)} (" in as_text(result, ())
    assert as_json(result, ())["source_litres_per_1000_answers"] == source.as_list()


def test_the_pages_state_what_dev_takes() -> None:
    deployment = Deployment.load(DEV)
    result = footprint(deployment, plan_serving(deployment))
    month, answered = result.traffic, result.per_1000_answers
    least = baseline(deployment, result)
    assert answered is not None
    assert least is not None

    def share(*names: str) -> float:
        return 100 * sum(component(result, name).traffic.kwh.mid for name in names) / month.kwh.mid

    inference = share("Generation on Bedrock", "Embeddings", "API, queue and tables")
    for page, words, number in (
        ("docs/boundary.md", r"the largest part: ([\d.]+) %", inference),
        ("docs/boundary.md", r"([\d.]+) % of `dev` \| *\n\| scaling", share("Lambda functions")),
        ("docs/boundary.md", r"making of servers.* ([\d.]+) % of the carbon",
         100 * month.embodied_g.mid / month.carbon_g.mid),
        ("docs/boundary.md", r"0.17 Wh for an answer: ([\d.]+) times", 0.17 / answered.kwh.mid),
        ("docs/footprint.md", r"search alone takes ([\d.]+) Wh", least.searching.kwh.mid * 1000),
        ("docs/footprint.md", r"generating adds ([\d.]+) Wh", least.generating.kwh.mid * 1000),
        ("README.md", r"\| 1,000 answers \|.*\| ([\d.]+) Wh, [^|]*\|$", answered.kwh.mid * 1000),
        ("README.md", r"\| 1,000 answers \|.* ([\d.]+) gCO2e, [^|]*\|$", answered.carbon_g.mid),
    ):  # fmt: skip
        text = (DEV.parents[1] / page).read_text(encoding="utf-8")
        (told,) = re.findall(words, text, re.MULTILINE)
        assert float(told) == pytest.approx(number, rel=0.25), (page, words)


def test_dev_stays_small() -> None:
    deployment = Deployment.load(DEV)
    result = footprint(deployment, plan_serving(deployment))
    answers = result.per_1000_answers
    assert answers is not None
    assert answers.kwh.mid * 1000 <= 25
    assert answers.carbon_g.mid <= 4
    assert answers.usd.mid <= 2
    assert result.idle.usd.mid <= 1.5


@pytest.mark.parametrize(("budget", "says"), [(0.01, "is below"), (1e6, "is above"), (None, "")])
def test_a_budget_that_tells_nothing_is_warned_of(budget: float | None, says: str) -> None:
    monitoring = {"email": "a@example.com", "monthly_budget_usd": budget} if budget else {}
    warnings = footprint(a_deployment(monitoring=monitoring), a_plan()).warnings
    assert all(says in warning for warning in warnings if "monthly_budget_usd" in warning)
    assert any("monthly_budget_usd" in warning for warning in warnings) == bool(budget)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_budgets_of_the_deployments_are_within_their_estimates(name: str) -> None:
    loaded = Deployment.load(f"deployments/{name}.yaml")
    assert not [
        warning
        for warning in footprint(loaded, plan_serving(loaded)).warnings
        if "monthly_budget_usd" in warning
    ]
