from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.services import cloudwatch, cloudwatch_logs

from local import emf

# The example document of the specification, with a value array and a high resolution added.
DOCUMENT: dict[str, Any] = {
    "_aws": {
        "Timestamp": 1574109732004,
        "CloudWatchMetrics": [
            {
                "Namespace": "lambda-function-metrics",
                "Dimensions": [["functionVersion"], ["functionVersion", "stage"], []],
                "Metrics": [
                    {"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60},
                    {"Name": "tokens", "StorageResolution": 1},
                ],
            }
        ],
    },
    "functionVersion": "$LATEST",
    "stage": "prod",
    "time": 100,
    "tokens": [3, 4.5],
    "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee",
}

names = st.text(min_size=1, max_size=20).filter(lambda name: name != "_aws")
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=10), children, max_size=4)
    ),
    max_leaves=10,
)


def document(path: str, value: Any) -> str:
    """Return the example with what stands at the dotted path replaced."""
    changed = copy.deepcopy(DOCUMENT)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    node: Any = changed
    for step in parents:
        node = node[step]
    node[last] = value
    return json.dumps(changed)


def test_every_metric_appears_under_every_dimension_set() -> None:
    found = emf.data(json.dumps(DOCUMENT))

    latest, prod = {"functionVersion": "$LATEST"}, {"stage": "prod"}
    assert [(datum.name, datum.dimensions) for datum in found] == [
        ("time", latest),
        ("time", latest | prod),
        ("time", {}),
        ("tokens", latest),
        ("tokens", latest | prod),
        ("tokens", {}),
    ]
    assert found[0] == emf.Datum(
        namespace="lambda-function-metrics",
        name="time",
        dimensions=latest,
        values=[100.0],
        unit="Milliseconds",
        storage_resolution=60,
        timestamp=1574109732.004,
    )
    assert (found[3].values, found[3].unit, found[3].storage_resolution) == ([3.0, 4.5], "None", 1)


@given(
    namespace=names,
    dimensions=st.dictionaries(names, names, max_size=5),
    metrics=st.dictionaries(names, st.lists(numbers, min_size=1, max_size=100), min_size=1),
)
def test_what_was_measured_arrives(
    namespace: str, dimensions: dict[str, str], metrics: dict[str, list[float]]
) -> None:
    metrics = {name: values for name, values in metrics.items() if name not in dimensions}
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name} for name in metrics],
    }
    metadata = {"Timestamp": 0, "CloudWatchMetrics": [directive]}

    found = emf.data(json.dumps({"_aws": metadata, **dimensions, **metrics}))

    assert {datum.name: datum.values for datum in found} == metrics
    assert all(datum.namespace == namespace for datum in found)
    assert all(datum.dimensions == dimensions for datum in found)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("_aws.Timestamp", "now", "Timestamp"),
        ("_aws.CloudWatchMetrics", {}, "CloudWatchMetrics"),
        ("_aws.CloudWatchMetrics.0.Namespace", "", "Namespace"),
        ("_aws.CloudWatchMetrics.0.Dimensions", [["region"]], "region"),
        ("_aws.CloudWatchMetrics.0.Dimensions", ["stage"], "dimension set"),
        ("_aws.CloudWatchMetrics.0.Metrics", [{"Name": "latency"}], "latency"),
        ("_aws.CloudWatchMetrics.0.Metrics.0.StorageResolution", 10, "1 and 60"),
        ("stage", 1, "stage"),
        ("time", True, "time"),
        ("time", "100", "time"),
        ("tokens", [1] * 101, "100"),
    ],
)
def test_a_document_that_breaks_the_rules_is_ignored_with_its_reason(
    path: str, value: Any, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert emf.data(document(path, value)) == []

    assert complaint in caplog.text


@given(st.text() | json_values.map(json.dumps))
def test_a_line_of_another_kind_has_no_metrics(line: str) -> None:
    assert emf.data(line) == []


@given(
    path=st.sampled_from(
        [
            "_aws",
            "_aws.Timestamp",
            "_aws.CloudWatchMetrics",
            "_aws.CloudWatchMetrics.0",
            "_aws.CloudWatchMetrics.0.Namespace",
            "_aws.CloudWatchMetrics.0.Dimensions",
            "_aws.CloudWatchMetrics.0.Metrics",
            "_aws.CloudWatchMetrics.0.Metrics.0",
            "functionVersion",
            "time",
        ]
    ),
    value=json_values,
    cut=st.integers(0, 600),
)
def test_a_malformed_line_never_breaks_logging(path: str, value: Any, cut: int) -> None:
    for line in (document(path, value), document(path, value)[:cut]):
        for datum in emf.data(line):
            assert all(abs(number) < float("inf") for number in datum.values)


@pytest.mark.parametrize("line", ["[" * 100_000, "1" * 5_000, document("time", 10**400)])
def test_a_line_beyond_all_bounds_has_no_metrics(line: str) -> None:
    assert emf.data(line) == []


def test_stored_log_events_become_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr(
        cloudwatch_logs, "_append_log_events", lambda stream, events: stored.extend(events)
    )
    monkeypatch.setattr(cloudwatch._metrics, "_data", {})
    emf.forward_log_events()
    events = [{"message": message} for message in ("START", json.dumps(DOCUMENT), '{"_aws": 1}')]

    cloudwatch_logs._append_log_events({}, events)

    assert stored == events
    points = cloudwatch._metrics[("lambda-function-metrics", "tokens", "functionVersion=$LATEST")]
    assert [point["Value"] for point in points] == [3.0, 4.5]
    assert points[0]["Timestamp"] == 1574109732.004
