"""A Region that lacks what a plan needs is refused, with Regions that have it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sustainability.decide.region_ranking import RegionError
from sustainability.decide.region_requirements import check_offers
from sustainability.offers.bedrock import IN_REGION, access
from sustainability.offers.region_map import places
from sustainability.offers.region_services import hosting_types
from sustainability.offers.serving_images import ImageError
from sustainability.plan.serving_plan import Mode
from tests.unit.sustainability.deployments import a_deployment, a_plan

BRIDGED = {"mode": Mode.BRIDGED, "instance_type": "ml.inf2.xlarge"}
REALTIME = {"mode": Mode.REALTIME, "instance_type": "ml.inf2.xlarge"}


def refusal(plan: dict[str, Any], **sections: Any) -> str:
    with pytest.raises((RegionError, ImageError)) as error:
        check_offers(a_deployment(**sections), a_plan(**plan))
    return str(error.value)


def proposed(message: str) -> list[str]:
    return re.findall(r"[a-z]{2}-[a-z]+-\d", message.partition("choose one of")[2])


@pytest.mark.parametrize("plan", [{}, BRIDGED, REALTIME])
def test_a_region_that_has_everything_is_no_obstacle(plan: dict[str, Any]) -> None:
    check_offers(a_deployment(), a_plan(**plan))


def test_a_region_without_inferentia2_is_refused() -> None:
    message = refusal(REALTIME, region="eu-central-2")
    assert "eu-central-2" in message
    assert "ml.inf2.xlarge" in message
    assert proposed(message)
    assert all("ml.inf2.xlarge" in hosting_types(region) for region in proposed(message))


def test_a_region_whose_endpoints_cannot_sleep_serves_realtime_only() -> None:
    check_offers(a_deployment(region="eu-west-3"), a_plan(**REALTIME))
    message = refusal(
        BRIDGED, region="eu-west-3", answers={"generator": "eu.amazon.nova-lite-v1:0"}
    )
    assert "inference components" in message
    assert proposed(message)
    assert "eu-west-3" not in proposed(message)


def test_a_model_that_bedrock_does_not_offer_is_refused_with_regions_that_have_it() -> None:
    model = "cohere.embed-multilingual-v3"
    region = next(region for region in places() if not access(model, region))
    embedding = {"embedding": {"model": model, "dimensions": 1024}}
    message = refusal({}, region=region, knowledge=embedding)
    assert model in message
    assert proposed(message)
    assert all(IN_REGION in access(model, region) for region in proposed(message))


def test_a_model_that_is_there_through_a_profile_names_the_profile() -> None:
    model = "amazon.nova-lite-v1:0"
    region = next(region for region in places() if access(model, region) == {"EU"})
    message = refusal({}, region=region, answers={"generator": model})
    assert f"eu.{model}" in message


def test_the_generator_on_bedrock_is_not_needed_where_bedrock_answers_nothing() -> None:
    nowhere = {"generator": "nobody.knows-this"}
    check_offers(a_deployment(answers=nowhere), a_plan(**REALTIME))
    assert "no Region offers it" in refusal(BRIDGED, answers=nowhere)


@pytest.mark.parametrize(
    ("image", "cure"),
    [
        ("podman", "write codebuild or docker"),
        ("123456789012.dkr.ecr.eu-north-1.amazonaws.com/qwen", "repository:tag"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/qwen:7", "push it to eu-north-1"),
    ],
)
def test_an_image_that_sagemaker_cannot_pull_is_refused(image: str, cure: str) -> None:
    assert cure in refusal(REALTIME, inference={"image": image})
