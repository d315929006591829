"""What a record says of an hour."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import operations
from operations.course import PARTS
from operations.measures import measures
from operations.record import metrics, record, units
from operations.settings import Settings, Sources
from stacks.instruments.metrics import known
from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import Demand, document_tokens, passages
from sustainability.energy.impact import HOURS_PER_MONTH
from sustainability.facts.lookup import Facts
from sustainability.footprint.coefficients import as_json, coefficients, litres_per_kwh
from sustainability.footprint.footprint import footprint
from sustainability.plan.serving_plan import Batch, Mode
from tests.record_ends import check_end
from tests.unit.operations import fakes
from tests.unit.operations.fakes import MEASURES, NOW
from tests.unit.sustainability.deployments import a_deployment, a_plan, traffic

HOUR = NOW.replace(minute=0)
DOMAIN = Sources(answer="ask", ingest="read", account="1", domain="books", nodes=3)
VECTORS = Sources(answer="ask", ingest="read", account="1", vectors=True)
SOURCES = {"serverless": fakes.SOURCES, "domain": DOMAIN, "vectors": VECTORS}
ENDPOINT = replace(fakes.SOURCES, endpoint="dev-copies-inf2-xlarge", variant="all")
TABLE = Path(operations.__file__ or "").parent / "metrics.csv"


def test_every_measure_is_one_that_somebody_publishes() -> None:
    for sources in (replace(ENDPOINT, quality=True), DOMAIN):
        for measure in measures("test", sources).values():
            metric = known(measure.namespace, measure.metric)
            metric.require(dimensions=measure.dimensions, statistic=measure.statistic)


def test_no_run_asks_for_more_than_the_footprint_counts() -> None:
    most = max(
        len(measures("test", replace(sources, quality=True))) for sources in (ENDPOINT, DOMAIN)
    )
    assert Facts()("operations/queries", "metrics").mid == most


INSTANCES = {
    "instance_type": "ml.inf2.xlarge",
    "expected_instance_hours": 1.5 * HOURS_PER_MONTH,
    "expected_utilization": 0.3,
    "bedrock_share": 0.4,
}


@pytest.mark.parametrize(
    ("store", "planned", "answers"),
    [
        ("serverless", {"mode": Mode.BEDROCK}, {}),
        ("serverless", {"mode": Mode.BRIDGED, **INSTANCES}, {}),
        ("domain", {"mode": Mode.REALTIME, **INSTANCES}, {}),
        ("vectors", {"mode": Mode.BEDROCK}, {}),
        ("serverless", {"mode": Mode.BATCH, "batch": Batch(hours=(2,), run_s=3600)}, {}),
        (
            "vectors",
            {"mode": Mode.BEDROCK},
            {
                "generator": "qwen.qwen3-32b-v1:0",
                "small_first": {"model": "mistral.ministral-3-3b-instruct", "accepted": 0.5},
            },
        ),
    ],
)
@pytest.mark.parametrize("end", [0, 1, 2])
def test_the_declared_traffic_measured_is_the_footprint(
    store: str, planned: dict[str, Any], answers: dict[str, Any], end: int
) -> None:
    deployment = a_deployment(
        knowledge={"store": store},
        answers=answers,
        traffic=traffic(90, cache_hit_share=0.25),
        monitoring={"tracing": True},
    )
    plan = a_plan(**planned)
    sources = SOURCES[store]
    if plan.instance_type:
        sources = replace(sources, endpoint="e", variant="all")
    if answers:
        sources = replace(sources, quotes=True, small=True)
    values = mean_hour(deployment, on_bedrock=plan.bedrock_share, end=end)
    taken = record(HOUR, values, told(deployment, plan, sources))["taken"]
    month = footprint(deployment, plan).traffic
    # Not in every hour somebody asks, as the mean hour has it: in the others, metrics and waiting
    # functions take nothing.
    demand, unit = Demand.of(deployment, Facts()), coefficients(deployment, plan)
    month += unit["active_hours"] * (HOURS_PER_MONTH - demand.asked_hours)
    month += unit["ingest_hours"] * (HOURS_PER_MONTH - demand.ingest_hours)
    for measure, stated in (
        ("kwh", month.kwh),
        ("carbon_g", month.carbon_g),
        ("water_l", month.litres),
        ("usd", month.usd),
    ):
        check_end(taken[measure][end] * HOURS_PER_MONTH, stated, end)


def mean_hour(deployment: Deployment, *, on_bedrock: float, end: int) -> dict[str, float]:
    """Return what CloudWatch would say of a mean hour, at one end of every assumed amount."""
    facts, hours = Facts(), HOURS_PER_MONTH
    demand = Demand.of(deployment, facts)

    def fact(name: str, unit: str) -> float:
        return facts(f"workload/{name}", unit).as_list()[end]

    questions, generated = demand.questions / hours, demand.generated / hours
    cached, documents = questions - generated, demand.changed_documents / hours
    searched = demand.searched / hours
    before_s = facts("serving/before_generation", "s").as_list()[end]
    seconds = (
        fact("answer_seconds", "s") * (generated + demand.asked_small / hours)
        + fact("cached_seconds", "s") * cached
        + before_s * (searched - generated)
    )
    return {
        "questions": questions,
        "generated": generated,
        "cached": cached,
        "by_bedrock": generated * on_bedrock,
        "by_endpoint": generated * (1 - on_bedrock),
        "input_tokens": generated * deployment.traffic.input_tokens.mean,
        "output_tokens": generated * deployment.traffic.output_tokens.mean,
        "small_input_tokens": demand.asked_small / hours * deployment.traffic.input_tokens.mean,
        "small_output_tokens": demand.asked_small / hours * deployment.traffic.output_tokens.mean,
        "question_tokens": fact("question_tokens", "tokens") * searched,
        "document_tokens": document_tokens(deployment, facts).as_list()[end] * documents,
        "indexed": documents,
        "answer_duration": seconds * 1000,
        "answer_invocations": questions,
        "ingest_duration": fact("ingest_seconds", "s") * documents * 1000,
        "ingest_invocations": documents,
        "search_units": fact("search_ocus", "OCU") * demand.search_hours / hours * 60,
        "indexing_units": fact("indexing_ocus", "OCU") * demand.indexing_hours / hours * 60,
        "nodes": 1,
        "searches": searched,
        "written_chunks": passages(deployment, facts).as_list()[end] * documents,
        "instance_minutes": 1.5 * 60,
        "busy_cores": 30,
    }


def told(deployment: Deployment, plan: object, sources: Sources) -> Settings:
    return fakes.settings(
        sources=sources,
        coefficients=as_json(coefficients(deployment, plan)),  # type: ignore[arg-type]
        litres_per_kwh=litres_per_kwh(deployment),
    )


@pytest.mark.parametrize("store", ["serverless", "domain", "vectors"])
def test_an_hour_in_which_nobody_asks_is_the_idle_floor(store: str) -> None:
    deployment, plan = a_deployment(knowledge={"store": store}), a_plan()
    sources = replace(DOMAIN, nodes=1) if store == "domain" else SOURCES[store]
    told_hour = record(HOUR, {}, told(deployment, plan, sources))
    idle = footprint(deployment, plan).idle
    for measure, expected in (("kwh", idle.kwh), ("carbon_g", idle.carbon_g), ("usd", idle.usd)):
        for end, hourly in enumerate(told_hour["taken"][measure]):
            check_end(hourly * HOURS_PER_MONTH, expected, end)
    assert told_hour["per_answer"] is None
    assert set(metrics(told_hour)) == {
        "TotalEnergyWhMid", "TotalCarbonGramsMid", "TotalCostUsdMid",
    }  # fmt: skip


def test_what_should_have_been_told_and_was_not_is_named() -> None:
    silent = record(HOUR, {"instance_minutes": 60}, fakes.settings(sources=ENDPOINT))
    assert silent["missing"] == ["busy_cores"]
    assert silent["usage"]["instance_hours"] == 1
    assert silent["utilization"]["endpoint"] is None
    asleep = record(HOUR, {}, fakes.settings(sources=ENDPOINT))
    assert asleep["missing"] == []
    domain = record(HOUR, {}, fakes.settings(sources=DOMAIN))
    assert domain["missing"] == ["nodes", "store_cpu"]
    assert domain["usage"]["node_hours"] == 3


def test_utilization_is_of_what_was_awake() -> None:
    values = {
        "search_units": 120, "searching_ms": 1_800_000, "instance_minutes": 30, "busy_cores": 40,
    }  # fmt: skip
    told_hour = record(HOUR, values, fakes.settings(sources=ENDPOINT))
    assert told_hour["utilization"] == {"store": 0.25, "endpoint": 0.4}
    assert metrics(told_hour)["EndpointUtilization"] == 40


def test_the_units_of_the_own_group_count_and_those_that_build_vector_indexes_too() -> None:
    for name in ("search_units", "indexing_units", "building_units"):
        dimensions = measures("d", fakes.SOURCES)[name].dimensions
        assert set(dimensions) == {"ClientId", "CollectionGroupId", "CollectionGroupName"}
    units = {"search_units": 80.0, "indexing_units": 40.0, "building_units": 30.0}
    found = record(HOUR, {**units, "searching_ms": 1000, "indexed": 1}, fakes.settings())
    assert found["usage"]["search_unit_hours"] == (80 + 40 + 30) / 60
    assert found["missing"] == []


@pytest.mark.parametrize(
    ("asked", "missing"),
    [({"searching_ms": 900}, ["search_units"]), ({"indexed": 3}, ["indexing_units"])],
)
def test_a_store_that_was_used_and_sent_nothing_is_not_seen_rather_than_zero(
    asked: dict[str, float], missing: list[str]
) -> None:
    found = record(HOUR, asked, fakes.settings())
    assert found["missing"] == missing
    assert "search_unit_hours" not in found["usage"]
    asleep = record(HOUR, {}, fakes.settings())
    assert (asleep["missing"], asleep["usage"]["search_unit_hours"]) == ([], 0)


@given(st.dictionaries(st.sampled_from(sorted(MEASURES)), st.integers(0, 10**9)))
def test_whatever_was_counted_the_record_adds_up(values: dict[str, int]) -> None:
    found = record(HOUR, values, fakes.settings())
    for low, mid, high in found["taken"].values():
        assert 0 <= low <= mid <= high
    parts = sum(part["kwh"] for part in found["taken_by"].values())
    assert found["taken"]["kwh"][1] == pytest.approx(parts, rel=1e-5)
    if found["per_answer"]:
        total = found["per_answer"]["usd"][1] * found["answers"]["answered"]
        assert found["taken"]["usd"][1] == pytest.approx(total, rel=1e-3)
    assert metrics(found).keys() <= units().keys()


def test_the_table_says_when_each_metric_is_written() -> None:
    always = set(metrics(record(HOUR, {}, fakes.settings(sources=ENDPOINT))))
    awake = {"EndpointUtilization", "StoreUtilization"}
    daily = {*(f"OffTarget{part}" for part in PARTS), "QualityDrop"}
    with TABLE.open(encoding="utf-8") as file:
        written = {row["name"]: row["written"] for row in csv.DictReader(file)}
    assert written == (
        dict.fromkeys(always, "always")
        | dict.fromkeys(awake, "while awake")
        | dict.fromkeys(daily, "daily")
    )
