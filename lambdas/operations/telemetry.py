"""The log, and an hour's metrics as one EMF line on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from aws_lambda_powertools import Logger, Metrics

from operations.record import units

logger = Logger()


def publish(deployment: str, hour: datetime, values: Mapping[str, float]) -> None:
    """Print metrics of an hour, at its beginning, with the dimensions service and Deployment."""
    if not values:
        return
    metrics = Metrics()
    metrics.set_default_dimensions(Deployment=deployment)
    metrics.set_timestamp(hour)
    for name, value in values.items():
        metrics.add_metric(name, units()[name], value)
    metrics.flush_metrics()
