"""One log and one EMF line per call, both on stdout."""

from __future__ import annotations

import resource
import sys
from collections.abc import Collection, Mapping

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rag.footprint import Range

logger = Logger()

_PER_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10
"""What `ru_maxrss` counts in: bytes on macOS, kibibytes on Linux."""


def emit(deployment: str, sent: Collection[str], values: Mapping[str, float | list[float]]) -> None:
    """Print the values as one log line. CloudWatch makes metrics from those in `sent`.

    The dimensions are service and Deployment. Names that end in `Latency` or `Lag` are
    milliseconds, all others are counts. `MemoryUsed`, the peak memory of this process, is added,
    because Lambda publishes no such metric. A metric costs money in each hour that writes it, so a
    value that no alarm or graph reads is a plain field of the line.
    """
    metrics = Metrics()
    metrics.set_default_dimensions(Deployment=deployment)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MEGABYTE
    for name, value in {"MemoryUsed": round(held, 1), **values}.items():
        if name not in sent:
            metrics.add_metadata(name, value)
            continue
        for number in value if isinstance(value, list) else [value]:
            metrics.add_metric(name, _unit(name), number)
    if metrics.metric_set:
        metrics.flush_metrics()
    else:
        metrics.clear_metrics()


def _unit(name: str) -> MetricUnit:
    if name == "MemoryUsed":
        return MetricUnit.Megabytes
    return MetricUnit.Milliseconds if name.endswith(("Latency", "Lag")) else MetricUnit.Count


def spread(name: str, value: Range) -> dict[str, float]:
    """Return a range as three metrics, suffixed Low, Mid and High."""
    return {f"{name}Low": value.low, f"{name}Mid": value.mid, f"{name}High": value.high}
