"""Metrics from log lines in the embedded metric format, as in CloudWatch Logs.

Specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local import clock
from local import ministack_internals as internals

_LOGGER = logging.getLogger(__name__)
_MOST_METRICS = 100
_MOST_VALUES = 100
_MOST_DIMENSIONS = 30


@dataclass(frozen=True, kw_only=True)
class Datum:
    """One metric of one dimension set; `timestamp` in seconds since the epoch."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    values: Sequence[float]
    unit: str
    storage_resolution: int
    timestamp: float


def data(message: str) -> list[Datum]:
    """Return the metrics in a log line; none if it has another format.

    A line that breaks the format's rules has none either, as in CloudWatch. A warning says why.
    """
    try:
        document = json.loads(message)
    except (TypeError, ValueError, RecursionError):
        return []
    if not isinstance(document, dict) or not isinstance(document.get("_aws"), dict):
        return []
    try:
        return list(_data(document))
    except ValueError as problem:
        _LOGGER.warning("A log line in the embedded metric format is ignored: %s", problem)
        return []


def _data(document: Mapping[str, Any]) -> Iterator[Datum]:
    metadata = document["_aws"]
    directives = _list(metadata.get("CloudWatchMetrics"), "_aws.CloudWatchMetrics")
    if not directives:
        return
    timestamp = _number(metadata.get("Timestamp"), "_aws.Timestamp") / 1000
    for directive in directives:
        namespace = _text(_object(directive, "directive").get("Namespace"), "Namespace")
        metrics = _list(directive.get("Metrics"), "Metrics")
        if len(metrics) > _MOST_METRICS:
            raise ValueError(f"{len(metrics)} metrics, at most {_MOST_METRICS} are allowed")
        dimension_sets = [
            _dimensions(document, names)
            for names in _list(directive.get("Dimensions"), "Dimensions")
        ]
        for metric in metrics:
            name = _text(_object(metric, "metric").get("Name"), "Name")
            values = _values(document, name)
            for dimensions in dimension_sets:
                yield Datum(
                    namespace=namespace,
                    name=name,
                    dimensions=dimensions,
                    values=values,
                    unit=_text(metric.get("Unit", "None"), "Unit"),
                    storage_resolution=_resolution(metric.get("StorageResolution", 60)),
                    timestamp=timestamp,
                )


def _dimensions(document: Mapping[str, Any], names: Any) -> dict[str, str]:
    if len(_list(names, "dimension set")) > _MOST_DIMENSIONS:
        raise ValueError(f"{len(names)} dimensions, at most {_MOST_DIMENSIONS} are allowed")
    return {
        _text(name, "dimension"): _text(document.get(name), f"the dimension {name}")
        for name in names
    }


def _values(document: Mapping[str, Any], name: str) -> list[float]:
    value = document.get(name)
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_VALUES:
        raise ValueError(f"{len(values)} values of {name}, at most {_MOST_VALUES} are allowed")
    return [_number(each, f"the metric {name}") for each in values]


def _resolution(value: Any) -> int:
    if value not in (1, 60):
        raise ValueError(f"StorageResolution is {value!r}, allowed are 1 and 60")
    return int(value)


def _number(value: Any, what: str) -> float:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    # CloudWatch also refuses an integer beyond the range of a double.
    if not abs(number) <= sys.float_info.max:
        raise ValueError(f"{what} is {value!r}, not a finite number")
    return float(number)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {value!r}, not a text")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{what} is {value!r}, not a list")
    return value


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {value!r}, not an object")
    return value


def forward_log_events() -> None:
    """Extend the emulator's function that stores all log events."""

    def forwarding(store: Callable[..., None]) -> Callable[..., None]:
        def store_and_forward(stream: Any, events: list[Mapping[str, Any]]) -> None:
            store(stream, events)
            for event in events:
                for datum in data(event["message"]):
                    internals.store_datum(
                        datum.namespace,
                        datum.name,
                        dict(datum.dimensions),
                        clock.here(datum.timestamp),
                        datum.unit,
                        None,
                        list(datum.values),
                        None,
                        None,
                    )

        return store_and_forward

    internals.APPEND_LOG_EVENTS.wrap(forwarding)
