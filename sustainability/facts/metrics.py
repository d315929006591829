"""The CloudWatch metrics that exist, as data: an alarm on a misspelt metric never goes on."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from sustainability.errors import UserError
from sustainability.facts.lookup import DATA, Confidence

OWN = "SustainableGenerativeAI"
"""Namespace of the metrics of a deployment."""
_PER_SECOND = {"Seconds": 1.0, "Milliseconds": 1e3, "Microseconds": 1e6}


class UnknownMetricError(UserError):
    """A metric that is not in ``data/metrics.csv``. The message lists what is."""


@dataclass(frozen=True, kw_only=True)
class KnownMetric:
    """A metric as its publisher documents it, from a row of ``facts/data/metrics.csv``."""

    namespace: str
    name: str
    dimensions: tuple[frozenset[str], ...]
    """The sets of dimensions of the metric; CloudWatch does not aggregate over them."""
    unit: str
    statistics: frozenset[str]
    """``p`` means all percentiles, ``PR`` all percentile ranks."""
    source: str
    confidence: Confidence

    def require(self, *, dimensions: Collection[str], statistic: str) -> None:
        """Refuse dimensions or a statistic for which the metric has no useful data.

        Raises
        ------
        UnknownMetricError
            If the metric is not published with these dimensions, or the statistic has no meaning.
        """
        place = f"{self.namespace} {self.name}"
        if frozenset(dimensions) not in self.dimensions:
            known = " or ".join(", ".join(sorted(names)) for names in self.dimensions)
            given = ", ".join(sorted(dimensions)) or "none"
            raise UnknownMetricError(f"{place}: the dimensions are {known}, not {given}")
        if _family(statistic) not in self.statistics:
            known = ", ".join(sorted(self.statistics))
            raise UnknownMetricError(f"{place}: the statistics are {known}, not {statistic}")

    def of_seconds(self, seconds: float) -> float:
        """Return a time in the unit of the metric.

        Raises
        ------
        UnknownMetricError
            If the unit of the metric is not a time.
        """
        if self.unit not in _PER_SECOND:
            raise UnknownMetricError(
                f"{self.namespace} {self.name}: {self.unit} is not a unit of time"
            )
        return seconds * _PER_SECOND[self.unit]


class KnownMetrics:
    """All known metrics, by namespace and name."""

    def __init__(self, metrics: Iterable[KnownMetric]) -> None:
        self._metrics: Mapping[tuple[str, str], KnownMetric] = {
            (metric.namespace, metric.name): metric for metric in metrics
        }

    def __call__(self, namespace: str, name: str) -> KnownMetric:
        """Return the metric.

        Raises
        ------
        UnknownMetricError
            If the metric is unknown. Lists those of its namespace.
        """
        try:
            return self._metrics[namespace, name]
        except KeyError:
            known = sorted(other for space, other in self._metrics if space == namespace)
            raise UnknownMetricError(
                f"no metric {name!r} in {namespace} (sustainability/facts/data/metrics.csv); "
                f"metrics in this namespace: {', '.join(known) or 'none'}"
            ) from None


@cache
def documented_metrics() -> tuple[KnownMetric, ...]:
    """Return the rows of ``sustainability/facts/data/metrics.csv``."""
    with (DATA / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            KnownMetric(
                namespace=row["namespace"],
                name=row["metric"],
                dimensions=tuple(
                    frozenset(names.split()) for names in row["dimensions"].split("|")
                ),
                unit=row["unit"],
                statistics=frozenset(row["statistics"].split()),
                source=row["source"],
                confidence=Confidence(row["confidence"]),
            )
            for row in csv.DictReader(lines)
        )


def _family(statistic: str) -> str:
    for family in ("PR(", "p"):
        if statistic.startswith(family):
            return family.rstrip("(")
    return statistic
