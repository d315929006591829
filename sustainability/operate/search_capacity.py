"""The OCUs of a deployment's collection group, as CloudWatch has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

import boto3

from sustainability.deployment.schema import Deployment

_NAMESPACE = "AWS/AOSS"
_METRICS = ("SearchOCU", "IndexingOCU", "VectorIndexBuildAccelerationOCU")
_SAMPLES_PER_HOUR = 60
"""OpenSearch Serverless publishes each minute while it runs."""


class SearchCapacity:
    """What was published; None where nothing ever was, which is not zero."""

    PERIOD: ClassVar[timedelta] = timedelta(minutes=5)

    def __init__(self, deployment: Deployment) -> None:
        self._group = f"{deployment.name}-"
        self._client = boto3.Session(region_name=deployment.region).client("cloudwatch")

    def running(self, start: datetime, end: datetime) -> int | None:
        """Return the number of periods in which a search unit ran."""
        dimensions = self._published.get("SearchOCU")
        if dimensions is None:
            return None
        points = self._points("SearchOCU", dimensions, start, end, "Maximum")
        return sum(point > 0 for point in points)

    def unit_hours(self, start: datetime, end: datetime) -> float | None:
        """Return the OCU-hours of all kinds between two moments."""
        if not self._published:
            return None
        return sum(
            point / _SAMPLES_PER_HOUR
            for name, dimensions in self._published.items()
            for point in self._points(name, dimensions, start, end, "Sum")
        )

    @cached_property
    def _published(self) -> dict[str, list[dict[str, str]]]:
        """The dimensions of each metric of the group that has been published."""
        return {name: found for name in _METRICS for found in self._of_the_group(name)}

    def _of_the_group(self, name: str) -> Iterator[list[dict[str, str]]]:
        pages = self._client.get_paginator("list_metrics").paginate(
            Namespace=_NAMESPACE, MetricName=name
        )
        for page in pages:
            for metric in page["Metrics"]:
                values = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
                if values.get("CollectionGroupName", "").startswith(self._group):
                    yield metric["Dimensions"]

    def _points(
        self,
        name: str,
        dimensions: list[dict[str, str]],
        start: datetime,
        end: datetime,
        statistic: str,
    ) -> list[float]:
        found: list[dict[str, Any]] = self._client.get_metric_statistics(
            Namespace=_NAMESPACE,
            MetricName=name,
            Dimensions=dimensions,
            StartTime=start,
            EndTime=end,
            Period=int(self.PERIOD.total_seconds()),
            Statistics=[statistic],
        )["Datapoints"]
        return [float(point[statistic]) for point in found]
