"""The capacity units (OCUs) of OpenSearch Serverless, as CloudWatch gets them.

A collection group runs from a request until ten minutes after the last one, and publishes once a
minute while it runs: under all three of its dimensions, and not under ClientId alone.
https://docs.aws.amazon.com/opensearch-service/latest/developerguide/monitoring-cloudwatch.html
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import cloudwatch

from local import clock
from local import ministack_internals as internals
from local.cloudformation import RECORDS
from local.inventory import owners
from sustainability.facts.lookup import Facts

_PERIOD_S = 60
_RESTS_AFTER_S = 600
"""AWS documentation, OpenSearch Serverless: scaling to zero after ten minutes."""
_TIMEOUT_S = 1.0
_GROUP = "AWS::OpenSearchServerless::CollectionGroup"
_INDEX = "AWS::OpenSearchServerless::Index"
_METRICS = {"query_total": ("SearchOCU", "search"), "index_total": ("IndexingOCU", "indexing")}
"""From OpenSearch's counter to the metric and its fact."""


@dataclass
class _Work:
    """What a counter of a group showed last, and since when it has not moved."""

    count: int
    moved_at: float | None = None


_work: dict[tuple[str, str], _Work] = {}
_state = {"published": 0.0}


def publish(opensearch_url: str) -> None:
    """Publish the units of each group that runs; do nothing if that was done in this minute."""
    now = clock.now()
    if now // _PERIOD_S == _state["published"] // _PERIOD_S:
        return
    _state["published"] = now
    groups = list(_groups())
    counted = _counters(opensearch_url) if groups else None
    if counted is None:
        return
    for record, indexes in groups:
        internals.act_as(get_account_id(), record["region"])
        dimensions = {
            "ClientId": get_account_id(),
            "CollectionGroupId": record["attributes"]["Id"],
            "CollectionGroupName": record["properties"]["Name"],
        }
        for counter, (metric, kind) in _METRICS.items():
            count = sum(counted.get(index, {}).get(counter, 0) for index in indexes)
            work = _work.setdefault((dimensions["CollectionGroupId"], metric), _Work(count))
            if count != work.count:
                work.count, work.moved_at = count, now
            if work.moved_at is not None and now - work.moved_at < _RESTS_AFTER_S:
                units = Facts()(f"workload/{kind}_ocus", "OCU").mid
                cloudwatch.record_metric("AWS/AOSS", metric, units, "Count", dimensions)


def _groups() -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield each group with the names of its stack's indexes."""
    of = owners()
    records = list(RECORDS.values())
    for group in (record for record in records if record["type"] == _GROUP):
        stack = of.get((_GROUP, group["id"]))
        yield (
            group,
            {
                record["properties"]["IndexName"]
                for record in records
                if record["type"] == _INDEX and of.get((_INDEX, record["id"])) == stack
            },
        )


def _counters(opensearch_url: str) -> dict[str, dict[str, int]] | None:
    """Return how often each index was searched and written; None if the server does not say."""
    try:
        with urllib.request.urlopen(
            f"{opensearch_url}/_stats/search,indexing", timeout=_TIMEOUT_S
        ) as answer:
            found = json.load(answer)["indices"]
    except OSError:
        return None
    return {
        name: {**index["total"]["search"], **index["total"]["indexing"]}
        for name, index in found.items()
    }
