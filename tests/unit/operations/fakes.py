"""S3, CloudWatch and Sustainability as the function sees them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from operations.measures import measures
from operations.settings import Settings, Sources
from sustainability.footprint.coefficients import coefficients
from tests.unit.sustainability.deployments import a_deployment, a_plan

NOW = datetime(2026, 11, 23, 6, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOURCES = Sources(answer="ask", ingest="read", account="1", group="knowledge", group_id="id")
MEASURES = measures("test", SOURCES)
QUANTITIES = (
    *coefficients(
        a_deployment(knowledge={"store": "serverless"}), a_plan(instance_type="ml.inf2.xlarge")
    ),
    "node_hours",
)


def settings(**changed: Any) -> Settings:
    unit = {"kwh": [1.0, 2.0, 4.0], "operational_g": [1.0, 2.0, 3.0], "usd": [1.0, 1.0, 1.0]}
    given: dict[str, Any] = {
        "deployment": "test",
        "region": "eu-north-1",
        "accounting": "location",
        "bucket": "history",
        "sources": SOURCES,
        "coefficients": dict.fromkeys(QUANTITIES, unit),
        "added": {"request": [1.0, 2.0, 3.0, 0.1, 0.2, 0.3]},
        "litres_per_kwh": {"": [0.1, 0.2, 0.3], "input_tokens": [1.0, 1.0, 1.0]},
        "metrics": ("TotalEnergyWhMid", "TotalCarbonGramsMid", "TotalCostUsdMid"),
    }
    return Settings(**given | changed)


class NoSuchKey(Exception):
    pass


class Bucket:
    """One bucket; `clock` says when something is written."""

    class exceptions:
        NoSuchKey = NoSuchKey

    def __init__(self, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.clock = clock
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.writes = 0

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.writes += 1
        self.objects[Key] = (Body, self.clock())

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise NoSuchKey
        return {"Body": io.BytesIO(self.objects[Key][0])}

    def get_paginator(self, name: str) -> Bucket:
        assert name == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str, StartAfter: str = "") -> Iterator[Any]:
        found = [
            {"Key": key, "LastModified": written}
            for key, (_, written) in sorted(self.objects.items())
            if key.startswith(Prefix) and key > StartAfter
        ]
        yield {"Contents": found[:2]} if found else {}
        yield {"Contents": found[2:]} if found else {}


class CloudWatch:
    """Answers in two pages, the second one late, as CloudWatch does."""

    def __init__(self, data: Mapping[datetime, Mapping[str, float]]) -> None:
        self.data = data
        self.calls = 0

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "get_metric_data"
        return self

    def paginate(
        self, *, MetricDataQueries: list[Any], StartTime: datetime, EndTime: datetime
    ) -> Iterator[Any]:
        self.calls += 1
        assert all(query["MetricStat"]["Period"] == 3600 for query in MetricDataQueries)
        for half in (MetricDataQueries[::2], MetricDataQueries[1::2]):
            yield {"MetricDataResults": [self._result(q, StartTime, EndTime) for q in half]}

    def _result(self, query: Any, start: datetime, end: datetime) -> dict[str, Any]:
        points = {
            hour: values[query["Id"]]
            for hour, values in self.data.items()
            if start <= hour < end and query["Id"] in values
        }
        return {
            "Id": query["Id"],
            "Timestamps": list(points),
            "Values": list(points.values()),
            "StatusCode": "Complete",
        }
