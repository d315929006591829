from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sustainability.decide.region_obstacles import missing
from sustainability.decide.region_ranking import (
    Fit,
    Region,
    fit_regions,
    rank_regions,
)
from sustainability.decide.region_requirements import RegionError, checked_plan
from sustainability.deployment.schema import Accounting, Deployment
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts, load_facts
from sustainability.footprint.footprint import footprint
from sustainability.offers.bedrock import ModelName, access, models_in
from sustainability.offers.region_map import place, places, round_trip_ms, timezone_coordinates
from sustainability.offers.region_services import has_inferentia2, has_resource, hosting_types
from sustainability.plan.serving_plan import ServingPlan
from sustainability.report.regions import advice, region_as_json, regions_as_text
from tests.unit.sustainability.deployments import a_deployment, a_plan

MINISTRAL = "mistral.ministral-3-3b-instruct"


@pytest.fixture(scope="module")
def ranked() -> dict[str, Region]:
    return {region.name: region for region in rank_regions()}


def fits(deployment: Deployment, plan: ServingPlan | None = None) -> dict[str, Fit]:
    return {fit.region.name: fit for fit in fit_regions(deployment, plan or a_plan())}


def test_carbon_of_computing_is_grid_times_pue_by_hand(ranked: dict[str, Region]) -> None:
    assert ranked["eu-north-1"].gco2e_per_it_kwh.mid == pytest.approx(35.26 * 1.10)
    assert ranked["us-east-1"].gco2e_per_it_kwh.mid == pytest.approx(327.17 * 1.15)


def test_each_region_states_its_water(ranked: dict[str, Region]) -> None:
    # AWS 2024: 0.02 l/kWh in Stockholm; it states none for Cape Town.
    stockholm, cape = ranked["eu-north-1"], ranked["af-south-1"]
    assert stockholm.litres_per_it_kwh.as_list() == pytest.approx([0.01, 0.02, 0.04])
    assert cape.litres_per_it_kwh.low < 0.1
    assert cape.litres_per_it_kwh.high > 1
    header, _, *rows = regions_as_text([stockholm, cape]).splitlines()
    assert "water, l/kWh" in header
    assert "0.02 (0.01 to 0.04)" in rows[0]
    assert region_as_json(stockholm)["litres_per_it_kwh"] == stockholm.litres_per_it_kwh.as_list()


def test_the_cleanest_come_first_and_every_region_has_a_rank(ranked: dict[str, Region]) -> None:
    assert list(ranked)[:3] == ["eu-north-1", "eu-central-2", "eu-west-3"]
    assert [region.rank for region in ranked.values()] == list(range(1, len(places()) + 1))
    assert set(ranked) == {key.split("/")[0] for key in load_facts("regions")}


def test_a_rank_that_depends_on_the_source_says_so(ranked: dict[str, Region]) -> None:
    # Quebec's grid is a fifth of Canada's.
    assert (ranked["ca-central-1"].rank, ranked["ca-central-1"].other_rank) == (10, 2)
    assert ranked["eu-central-1"].other_rank is None
    assert ranked["ca-central-1"].gco2e_per_it_kwh.low == pytest.approx(35.04 * 1.19, rel=0.05)
    assert ranked["ca-west-1"].gco2e_per_it_kwh.high == pytest.approx(402.02 * 1.17, rel=0.05)


def test_market_based_ranking_puts_matched_regions_at_nothing() -> None:
    ranked = {region.name: region for region in rank_regions(Accounting.MARKET)}

    assert ranked["us-east-1"].gco2e_per_it_kwh.high == 0
    assert ranked["sa-east-1"].gco2e_per_it_kwh.mid > 0


def test_inferentia2_is_hosted_where_aws_lists_it() -> None:
    assert {name for name in places() if has_inferentia2(name)} == {
        "ap-northeast-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "eu-central-1",
        "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1",
        "us-east-2", "us-west-2",
    }  # fmt: skip
    assert "ml.g5.xlarge" not in hosting_types("eu-west-3")
    assert has_resource("eu-west-3", "AWS::SageMaker::InferenceComponent") is False
    assert has_resource("nowhere-1", "AWS::SageMaker::InferenceComponent") is None


def test_a_model_runs_in_the_region_or_by_profile() -> None:
    assert "ON_DEMAND" in access(MINISTRAL, "eu-north-1")
    assert access("amazon.nova-micro-v1:0", "eu-north-1") == {"EU"}
    assert access("acme.thinker-v1:0", "eu-north-1") == frozenset()
    called, running = models_in("eu-north-1")
    assert 0 < running < called


@pytest.mark.parametrize(
    ("name", "model", "scope"),
    [
        ("eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", "eu"),
        ("global.anthropic.claude-haiku-5-5", "anthropic.claude-haiku-5-5", "global"),
        (MINISTRAL, MINISTRAL, None),
    ],
)
def test_a_profile_is_told_from_its_model(name: str, model: str, scope: str | None) -> None:
    assert ModelName.parse(name) == ModelName(model, scope)


def test_the_ranking_says_what_a_move_saves_and_its_obstacles() -> None:
    deployment = a_deployment(region="eu-west-1", footprint={"within": "EU"})
    found = fits(deployment)

    assert found["eu-north-1"].obstacles == ()
    assert found["eu-north-1"].carbon_change < -0.5
    assert found["eu-west-3"].obstacles == (f"no {MINISTRAL}",)
    assert "outside EU" in found["us-west-2"].obstacles
    assert found["eu-west-1"].carbon_change == pytest.approx(0)
    assert "A move of test to eu-north-1" in advice(deployment, list(found.values()))


def test_a_plan_with_inferentia2_stays_where_it_is_hosted() -> None:
    found = fits(a_deployment(), a_plan(instance_type="ml.inf2.xlarge"))

    assert "no Inferentia2" in found["eu-central-2"].obstacles
    assert found["eu-north-1"].obstacles == ()


def test_ranking_and_refusal_know_the_same_obstacles() -> None:
    here = a_deployment(knowledge={"store": "serverless"})
    moved = here.model_copy(update={"region": "af-south-1"})
    told = list(missing(moved, a_plan()))
    assert "CloudFormation has no OpenSearch Serverless in af-south-1" in {t.text for t in told}
    assert [each.short for each in told] == list(fits(here, a_plan())["af-south-1"].obstacles)


def test_distances_on_the_globe() -> None:
    london, sydney = place("eu-west-2").coordinates, place("ap-southeast-2").coordinates

    assert london.km_to(sydney) == pytest.approx(17_000, rel=0.01)
    assert london.km_to(london) == 0
    assert round_trip_ms(1000, Facts()).low >= 10


def test_users_are_where_their_time_zone_is() -> None:
    stockholm = timezone_coordinates("Europe/Stockholm")

    assert stockholm is not None
    assert stockholm.km_to(place("eu-north-1").coordinates) < 20
    assert timezone_coordinates("UTC") is None
    southwest = timezone_coordinates("America/Sao_Paulo")
    assert southwest is not None
    assert southwest.latitude < 0 > southwest.longitude


def test_a_region_above_the_ceiling_is_refused_with_cleaner_ones() -> None:
    limits = {"ceiling_gco2e_per_kwh": 100, "within": "EU"}

    checked_plan(a_deployment(footprint=limits))
    with pytest.raises(
        RegionError, match=r"eu-west-1 has 285 .* above .*: 100; choose one of eu-north-1$"
    ):
        checked_plan(a_deployment(region="eu-west-1", footprint=limits))


@pytest.mark.parametrize("file", sorted(Path("deployments").rglob("*.yaml")), ids=str)
def test_our_own_deployments_keep_their_limits_and_have_a_footprint(file: Path) -> None:
    deployment = Deployment.load(file)

    checked_plan(deployment)
    assert footprint(deployment, a_plan()).traffic.kwh.mid > 0


def test_a_region_outside_the_residency_is_refused() -> None:
    with pytest.raises(RegionError, match=r"us-east-1 is outside footprint\.within: EU"):
        checked_plan(a_deployment(region="us-east-1", footprint={"within": "EU"}))
    checked_plan(a_deployment(region="eu-west-2", footprint={"within": "GB"}))


def test_limits_that_no_region_keeps_say_so() -> None:
    impossible = {"ceiling_gco2e_per_kwh": 100, "within": "US"}

    with pytest.raises(RegionError, match="no Region meets all limits of the file; with foot"):
        checked_plan(a_deployment(region="us-east-1", footprint=impossible))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            {"region": "eu-north-9"},
            "region: eu-north-9 is not a known Region; did you mean eu-north-1",
        ),
        (
            {"footprint": {"within": "ATLANTIS"}},
            "within: ATLANTIS is not a known area or country; choose one of .*EU",
        ),
    ],
)
def test_unknown_places_are_named(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        checked_plan(a_deployment(**fields))
