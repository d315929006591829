"""OCUs as CloudWatch gets them: by group, while it runs, and never a zero."""

from __future__ import annotations

from typing import Any

import pytest
from ministack.core.responses import get_account_id
from ministack.services import cloudwatch

from local import clock, search_units
from sustainability.facts.metrics import documented_metrics
from tests.unit.local.conftest import NOW, emptied

GROUP = {"region": "eu-north-1", "attributes": {"Id": "g1"}, "properties": {"Name": "dev-group"}}


def test_a_group_publishes_under_its_exact_dimensions_from_a_request_until_ten_minutes_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time = [NOW]
    counters: list[dict[str, Any] | None] = [{"index": {"query_total": 5}}]
    monkeypatch.setattr(clock, "now", lambda: time[0])
    monkeypatch.setattr(search_units, "_work", {})
    monkeypatch.setattr(search_units, "_groups", lambda: [(GROUP, {"index"})])
    monkeypatch.setattr(search_units, "_counters", lambda url: counters[0])

    def minute() -> int:
        time[0] += 60
        search_units.publish("url")
        return sum(len(points) for points in cloudwatch._metrics.values())

    with emptied():
        assert minute() == 0, "nobody has asked since"
        counters[0] = {"index": {"query_total": 6}}
        assert [minute() for _ in range(12)] == [*range(1, 11), 10, 10]
        counters[0] = None
        assert minute() == 10, "a server that does not answer says nothing"
        ((_, name, known_by),) = cloudwatch._metrics
    dimensions = dict(pair.split("=") for pair in known_by.split("|"))
    assert name == "SearchOCU"
    assert dimensions == {
        "ClientId": get_account_id(),
        "CollectionGroupId": "g1",
        "CollectionGroupName": "dev-group",
    }
    (known,) = (row for row in documented_metrics() if row.name == name)
    assert frozenset(dimensions) in known.dimensions
