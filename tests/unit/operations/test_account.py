"""The estimate beside AWS's own figure, where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import UnknownServiceError
from botocore.stub import ANY, Stubber

from operations import account
from operations.history import History
from tests.unit.operations import fakes
from tests.unit.operations.fakes import NOW, Bucket

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def store() -> History:
    bucket = Bucket()
    for hour in (0, 1, 743):
        body = json.dumps({"taken": {"carbon_g": [1.0, 2.0, 6.0]}}).encode()
        day = f"{1 + hour // 24:02}/{hour % 24:02}"
        bucket.objects[f"history/2026/10/{day}.json"] = (body, NOW)
    return History(bucket, "history")


def client(grams: dict[str, float] | None, error: str | None = None) -> Callable[[], Any]:
    """Return what makes a client that answers once, as botocore's own model allows."""
    made = boto3.client("sustainability", "eu-north-1")
    stubber = Stubber(made)
    if error:
        stubber.add_client_error("get_estimated_carbon_emissions", error, "no", 403)
    else:
        results = [
            {
                "TimePeriod": {"Start": OCTOBER, "End": datetime(2026, 11, 1, tzinfo=UTC)},
                "DimensionsValues": {},
                "ModelVersion": "3.0.0",
                "EmissionsValues": {
                    name: {"Value": value / 1e6, "Unit": "MTCO2e"} for name, value in grams.items()
                },
            }
        ] if grams else []  # fmt: skip
        expected = {
            "TimePeriod": {"Start": datetime(2026, 8, 1, tzinfo=UTC), "End": NOW},
            "Granularity": "MONTHLY",
            "FilterBy": {"Dimensions": {"REGION": ["eu-north-1"]}},
            "EmissionsTypes": ANY,
        }
        stubber.add_response("get_estimated_carbon_emissions", {"Results": results}, expected)
    stubber.activate()
    return lambda: made


def update(store: History, connect: Callable[[], Any]) -> Any:
    account.update(NOW, store, connect, fakes.settings())
    return store.read("account/2026-10.json")


def test_both_figures_and_their_ratio_stand_side_by_side(store: History) -> None:
    record = update(
        store,
        client({"TOTAL_LBM_CARBON_EMISSIONS": 12.0, "TOTAL_MBM_CARBON_EMISSIONS": 0.0}),
    )
    assert record["estimate_g"] == [3, 6, 18]
    assert record["account"] == {"location_g": 12, "market_g": 0, "model_version": "3.0.0"}
    assert record["ratio"] == {"location": 0.5}
    assert (record["hours_recorded"], record["hours_of_month"]) == (3, 744)
    assert "account" in record["account_scope"]
    assert record["not_available"] is None


def unknown() -> Any:
    raise UnknownServiceError(service_name="sustainability", known_service_names="s3")


@pytest.mark.parametrize(
    ("connect", "reason"),
    [
        (client(None, error="AccessDeniedException"), "AccessDeniedException"),
        (unknown, "Unknown service"),
        (client(None), "no figure of this month yet"),
    ],
)
def test_what_is_not_available_is_said_and_is_no_error(
    store: History, connect: Callable[[], Any], reason: str
) -> None:
    record = update(store, connect)
    assert reason in record["not_available"]
    assert record["account"] is None
    assert record["ratio"] is None
    assert record["estimate_g"] == [3, 6, 18]


def test_a_month_is_asked_for_until_aws_has_it_and_then_no_more(store: History) -> None:
    assert update(store, client(None))["not_available"]
    found = update(store, client({"TOTAL_LBM_CARBON_EMISSIONS": 3.0}))
    assert found["ratio"] == {"location": 2}
    assert update(store, unknown) == found
