"""One log and one EMF line per call, both on stdout."""

from __future__ import annotations

from collections.abc import Mapping

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from rag.footprint import Range

logger = Logger()


def emit(deployment: str, values: Mapping[str, float | list[float]]) -> None:
    """Print the metrics in CloudWatch's embedded format, with the dimensions service, Deployment.

    Names that end in `Latency` or `Lag` are milliseconds, all others counts.
    """
    metrics = Metrics()
    metrics.set_default_dimensions(Deployment=deployment)
    for name, value in values.items():
        unit = MetricUnit.Milliseconds if name.endswith(("Latency", "Lag")) else MetricUnit.Count
        for number in value if isinstance(value, list) else [value]:
            metrics.add_metric(name, unit, number)
    metrics.flush_metrics()


def spread(name: str, value: Range) -> dict[str, float]:
    """Return a range as three metrics, suffixed Low, Mid and High."""
    return {f"{name}Low": value.low, f"{name}Mid": value.mid, f"{name}High": value.high}
