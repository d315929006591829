"""Write measurements as CloudWatch embedded metric format, one bare JSON object a line.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping

from .metrics import METRICS, Values

MAX_METRICS = 100
MAX_VALUES = 100
# The server writes to the same pipe. Linux keeps a write whole up to this size (PIPE_BUF).
MAX_BYTES = 4096


def lines(
    values: Values,
    *,
    namespace: str,
    dimensions: Mapping[str, str],
    timestamp_ms: int,
    sent: Collection[str] = METRICS.keys(),
) -> Iterator[bytes]:
    """Write the values as few lines as the format's limits allow, each ending in a newline.

    CloudWatch makes metrics from those in `sent`. A metric costs money in each hour that writes it,
    so a value that no alarm or graph reads is a plain field of the line.
    """
    pending = [values] if values else []
    while pending:
        part = pending.pop(0)
        line = _line(part, sent, namespace, dimensions, timestamp_ms)
        if _fits(part, line) or sum(map(len, part.values())) == 1:
            yield line
        else:
            pending[:0] = _halves(part)


def _line(
    values: Values,
    sent: Collection[str],
    namespace: str,
    dimensions: Mapping[str, str],
    timestamp_ms: int,
) -> bytes:
    definitions = [{"Name": name, "Unit": METRICS[name].unit} for name in values if name in sent]
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(dimensions)],
        "Metrics": definitions,
    }
    document = {
        "_aws": {
            "Timestamp": timestamp_ms,
            "CloudWatchMetrics": [directive] if definitions else [],
        },
        **dimensions,
        **{name: value if len(value) > 1 else value[0] for name, value in values.items()},
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _fits(values: Values, line: bytes) -> bool:
    return (
        len(line) <= MAX_BYTES
        and len(values) <= MAX_METRICS
        and max(map(len, values.values())) <= MAX_VALUES
    )


def _halves(values: Values) -> list[Values]:
    if len(values) > 1:
        items = list(values.items())
        middle = len(items) // 2
        return [dict(items[:middle]), dict(items[middle:])]
    ((name, series),) = values.items()
    middle = len(series) // 2
    return [{name: series[:middle]}, {name: series[middle:]}]
