"""The estimate of a month beside AWS's own value for the whole account, where AWS has one.

`sustainability:GetEstimatedCarbonEmissions` has months, Regions and services, but no deployments.
The ratio can be 1 only if the account contains nothing but this deployment.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.history import History
from operations.settings import Settings

_MONTHS = 3
"""AWS publishes a month some weeks later; a published month is not requested again."""
_SCOPE = "the whole AWS account in this Region, not only this deployment"
_TYPES = {
    "location_g": "TOTAL_LBM_CARBON_EMISSIONS",
    "market_g": "TOTAL_MBM_CARBON_EMISSIONS",
}
_G_PER_TONNE = 1e6


def update(
    now: datetime, store: History, connect: Callable[[], Any], settings: Settings
) -> list[str]:
    """Write a record for each recent month without AWS's value; return these records."""
    before = {month: store.read(_key(month)) for month in _months(now)}
    waiting = [month for month, known in before.items() if not known or known["not_available"]]
    if not waiting:
        return []
    theirs, reason = _emissions(connect, settings.region, min(waiting), now)
    written = []
    for month in waiting:
        found, known = theirs.get(month), before[month]
        not_available = None if found else reason or "AWS has no figure of this month yet"
        if known and known["not_available"] == not_available:
            continue
        records = store.month(month)
        if records:
            store.write(
                _key(month), _beside(found, _estimate(month, records, settings), not_available)
            )
            written.append(_key(month))
    return written


def _estimate(month: datetime, records: list[dict[str, Any]], settings: Settings) -> dict[str, Any]:
    """Return our own estimate of a month: the sum of its records, and their number."""
    ranges = (record["taken"]["carbon_g"] for record in records)
    return {
        "month": month.strftime("%Y-%m"),
        "deployment": settings.deployment,
        "region": settings.region,
        "accounting": settings.accounting,
        "hours_recorded": len(records),
        "hours_of_month": 24 * monthrange(month.year, month.month)[1],
        "estimate_g": [sum(ends) for ends in zip(*ranges, strict=True)],
    }


def _beside(
    theirs: Mapping[str, Any] | None, estimate: dict[str, Any], not_available: str | None
) -> dict[str, Any]:
    """Return both values and their ratio (ours / AWS's), location-based and market-based."""
    ratios = {
        name.removesuffix("_g"): estimate["estimate_g"][1] / theirs[name]
        for name in _TYPES
        if theirs and theirs.get(name)
    }
    return estimate | {
        "account": theirs,
        "account_scope": _SCOPE,
        "ratio": ratios or None,
        "not_available": not_available,
    }


def _emissions(
    connect: Callable[[], Any], region: str, start: datetime, end: datetime
) -> tuple[dict[datetime, dict[str, Any]], str | None]:
    """Return AWS's gCO2e by month, or the reason why there are none."""
    from botocore.exceptions import BotoCoreError, ClientError

    found = {}
    try:
        pages = (
            connect()
            .get_paginator("get_estimated_carbon_emissions")
            .paginate(
                TimePeriod={"Start": start, "End": end},
                Granularity="MONTHLY",
                FilterBy={"Dimensions": {"REGION": [region]}},
                EmissionsTypes=list(_TYPES.values()),
            )
        )
        for page in pages:
            for result in page["Results"]:
                month = result["TimePeriod"]["Start"].astimezone(UTC)
                grams = {
                    name: result["EmissionsValues"][type_]["Value"] * _G_PER_TONNE
                    for name, type_ in _TYPES.items()
                    if type_ in result["EmissionsValues"]
                }
                found[month] = {**grams, "model_version": result["ModelVersion"]}
    except (BotoCoreError, ClientError) as error:
        return {}, str(error)
    return found, None


def _months(now: datetime) -> list[datetime]:
    months = []
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(_MONTHS):
        month = (month - timedelta(days=1)).replace(day=1)
        months.append(month)
    return months


def _key(month: datetime) -> str:
    return month.strftime("account/%Y-%m.json")
