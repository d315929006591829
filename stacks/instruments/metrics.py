"""Metrics for alarms and graphs; a metric that is not published is refused at synth."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from containers.neuron_vllm.metrics import DIMENSIONS, METRICS, NAMESPACE
from stacks.functions.python_function import METRICS_NAMESPACE
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Confidence
from sustainability.facts.metrics import KnownMetric, KnownMetrics, documented_metrics

FIVE_MINUTES = cdk.Duration.minutes(5)
HOUR = cdk.Duration.hours(1)
DAY = cdk.Duration.days(1)
ACCELERATOR = NAMESPACE
"""Namespace of the metrics of the accelerator monitor in the serving image."""
_TABLE = Path(__file__).resolve().parents[2] / "lambdas" / "operations" / "metrics.csv"


def proxy_metrics() -> list[dict[str, str]]:
    """Return name, unit, time of writing and meaning of each metric that the function writes."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


known = KnownMetrics(
    (
        *documented_metrics(),
        *(
            KnownMetric(
                namespace=NAMESPACE,
                name=metric.name,
                dimensions=(frozenset(DIMENSIONS),),
                unit=metric.unit,
                statistics=frozenset(("Average", "Maximum", "Minimum", "SampleCount", "Sum", "p")),
                source="containers/neuron_vllm/metrics.py",
                confidence=Confidence.PUBLISHED,
            )
            for metric in METRICS.values()
        ),
        *(
            KnownMetric(
                namespace=METRICS_NAMESPACE,
                name=row["name"],
                dimensions=(frozenset(("Deployment", "service")),),
                unit=row["unit"],
                statistics=frozenset(("Average", "Sum")),
                source="lambdas/operations/metrics.csv",
                confidence=Confidence.PUBLISHED,
            )
            for row in proxy_metrics()
        ),
    )
)
"""Returns a known metric by namespace and name; otherwise raises ``UnknownMetricError``."""


def metric(
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    statistic: str,
    *,
    period: cdk.Duration = FIVE_MINUTES,
    label: str | None = None,
    color: str | None = None,
) -> cloudwatch.Metric:
    """Return a statistic of a metric.

    Raises
    ------
    UnknownMetricError
        If the metric, its dimensions or the statistic is not in ``data/metrics.csv``.
    """
    known(namespace, name).require(dimensions=dimensions, statistic=statistic)
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dict(dimensions),
        statistic=statistic,
        period=period,
        label=label,
        color=color,
    )


def own(
    deployment: Deployment,
    service: str,
    name: str,
    statistic: str = "Sum",
    *,
    period: cdk.Duration = FIVE_MINUTES,
    label: str | None = None,
    color: str | None = None,
) -> cloudwatch.Metric:
    """Return a statistic of a metric of our own functions; ``service`` is its dimension."""
    dimensions = {"Deployment": deployment.name, "service": service}
    return metric(
        METRICS_NAMESPACE, name, dimensions, statistic, period=period, label=label, color=color
    )


def maths(
    expression: str,
    period: cdk.Duration = FIVE_MINUTES,
    /,
    *,
    label: str,
    color: str | None = None,
    **metrics: cloudwatch.IMetric,
) -> cloudwatch.MathExpression:
    """Return a metric math expression; ``period`` applies to every metric in it."""
    return cloudwatch.MathExpression(
        expression=expression, using_metrics=metrics, period=period, label=label, color=color
    )


def where_seen(expression: str, *metrics: str) -> str:
    """Return metric math that has a value only in periods in which one of ``metrics`` has one.

    ``FILL`` alone would turn a metric that was never published into zero.
    """
    return f"IF(SUM([{', '.join(metrics)}]) >= 0, {expression})"


def scaled(
    metric: cloudwatch.IMetric, divisor: float, *, label: str, color: str
) -> cloudwatch.MathExpression:
    """Return a metric divided by ``divisor``, for a graph in a larger unit."""
    id_ = "m_" + "".join(filter(str.isalnum, label.lower()))
    return maths(f"{id_} / {divisor:.0f}", label=label, color=color, **{id_: metric})
