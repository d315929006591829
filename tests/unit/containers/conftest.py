"""A real report of neuron-monitor, and what CloudWatch demands of a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest


@pytest.fixture(scope="session")
def sample() -> bytes:
    """A report captured under load on an inf2.xlarge, without identifiers.

    The capture did not record `total_latency`, `average_usage` and the memory of core 1; the first
    two are filled in here.
    """
    report = json.loads(Path(__file__).with_name("neuron_report.json").read_text())
    return json.dumps(report).encode()


@pytest.fixture(scope="session")
def read_emf() -> Callable[[bytes], dict[str, list[float]]]:
    """Check a line against the specification of the embedded metric format; return its values."""
    cloudwatch = botocore.session.get_session().get_service_model("cloudwatch")
    units = cloudwatch.shape_for("StandardUnit").enum

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    def read(line: bytes) -> dict[str, list[float]]:
        assert len(line) <= 4096, "longer than a write that Linux keeps whole"
        document: dict[str, Any] = json.loads(line, parse_constant=refuse)
        assert type(document["_aws"]["Timestamp"]) is int
        values = {}
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
            assert 1 <= len(directive["Namespace"]) <= 256
            for dimensions in directive["Dimensions"]:
                assert len(dimensions) <= 30
                assert all(1 <= len(document[name]) <= 1024 for name in dimensions)
            assert 1 <= len(directive["Metrics"]) <= 100
            for metric in directive["Metrics"]:
                assert metric.keys() == {"Name", "Unit"}
                assert metric["Unit"] in units
                assert metric["Name"] not in values
                value = document[metric["Name"]]
                values[metric["Name"]] = value if isinstance(value, list) else [value]
        for series in values.values():
            assert 1 <= len(series) <= 100
            assert all(type(value) in (int, float) and value <= 2**360 for value in series)
        return values

    return read
