"""One log and one EMF line per call, both on stdout."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rag.footprint import Range

logger = Logger()

_PER_MEGABYTE = 2**20 if sys.platform == "darwin" else 2**10
"""What `ru_maxrss` counts in: bytes on macOS, kibibytes on Linux."""


def emit(deployment: str, values: Mapping[str, float | list[float]]) -> None:
    """Print the metrics in CloudWatch's embedded format, with the dimensions service, Deployment.

    Names that end in `Latency` or `Lag` are milliseconds, all others counts. `MemoryUsed`, the most
    that this process ever held, comes with them: Lambda itself publishes no such metric.
    """
    metrics = Metrics()
    metrics.set_default_dimensions(Deployment=deployment)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MEGABYTE
    metrics.add_metric("MemoryUsed", MetricUnit.Megabytes, round(held, 1))
    for name, value in values.items():
        unit = MetricUnit.Milliseconds if name.endswith(("Latency", "Lag")) else MetricUnit.Count
        for number in value if isinstance(value, list) else [value]:
            metrics.add_metric(name, unit, number)
    metrics.flush_metrics()


def spread(name: str, value: Range) -> dict[str, float]:
    """Return a range as three metrics, suffixed Low, Mid and High."""
    return {f"{name}Low": value.low, f"{name}Mid": value.mid, f"{name}High": value.high}
