"""All CloudWatch queries of a run, in one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.measures import Measure

_HOUR = timedelta(hours=1)


class CloudWatchError(Exception):
    """CloudWatch returned no values: a later run asks again."""


def hourly(
    client: Any, measures: Mapping[str, Measure], hours: Sequence[datetime]
) -> dict[datetime, dict[str, float]]:
    """Return the values of each hour, by the names of the measures, without missing values.

    Plain statistics without expressions are the same in every Region. About 24 of them fit into one
    call, whose limit is 500; the response can have several pages.
    """
    found: dict[datetime, dict[str, float]] = defaultdict(dict)
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[_query(name, measure) for name, measure in measures.items()],
        StartTime=min(hours),
        EndTime=max(hours) + _HOUR,
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            if result["StatusCode"] not in ("Complete", "PartialData"):
                raise CloudWatchError(f"{result['Id']}: {result['StatusCode']}")
            for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                found[time.astimezone(UTC)][result["Id"]] = value
    return {hour: found[hour] for hour in hours}


def _query(name: str, measure: Measure) -> dict[str, Any]:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": measure.namespace,
                "MetricName": measure.metric,
                "Dimensions": [
                    {"Name": key, "Value": value} for key, value in measure.dimensions.items()
                ],
            },
            "Period": 3600,
            "Stat": measure.statistic,
        },
    }
