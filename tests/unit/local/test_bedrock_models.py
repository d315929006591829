"""Bedrock's models as each Region offers them, with their lifecycle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.core.responses import set_request_region
from ministack.services import bedrock

from local.bedrock import offer
from sustainability.offers.lifecycle import Lifecycle

LEGACY = "writer.palmyra-x5-v1:0"


@pytest.fixture(autouse=True)
def _offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_CATALOG", "_model_summary", "_get_foundation_model_availability"):
        monkeypatch.setattr(bedrock, name, getattr(bedrock, name))
    offer()
    yield
    bedrock.reset()
    set_request_region(None)


def get(model: str, region: str) -> tuple[int, dict[str, Any]]:
    set_request_region(region)
    status, _, body = bedrock._get_foundation_model(model)
    return status, json.loads(body)


def test_a_model_is_active_or_legacy_where_it_is_offered_and_unknown_elsewhere() -> None:
    status, found = get(LEGACY, "us-west-2")
    assert (status, Lifecycle.of(found["modelDetails"]).is_legacy) == (200, True)
    assert get(LEGACY, "eu-north-1")[0] == 404
    status, found = get("mistral.ministral-3-3b-instruct", "eu-north-1")
    assert (status, Lifecycle.of(found["modelDetails"]).is_legacy) == (200, False)


def test_each_region_lists_its_own_models_and_grants_access_to_them() -> None:
    listed = {}
    for region in ("us-west-2", "eu-north-1"):
        set_request_region(region)
        _, _, body = bedrock._list_foundation_models({})
        listed[region] = {each["modelId"] for each in json.loads(body)["modelSummaries"]}
        for model in listed[region]:
            _, _, body = bedrock._get_foundation_model_availability(model)
            assert json.loads(body)["agreementAvailability"] == {"status": "AVAILABLE"}
    assert LEGACY in listed["us-west-2"] - listed["eu-north-1"]
    assert "amazon.titan-embed-text-v2:0" in listed["us-west-2"] & listed["eu-north-1"]
