"""What watching takes: alarms, dashboards and custom metrics.

No source states their energy. Each evaluation of an alarm and each point of a metric counts like a
request to a managed service.

Prices are list prices. An AWS account has some of it for free; :func:`allowance` says how much that
is, for an account that holds nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.ranges import Estimate
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.watching import Watching

_PRICES = {
    "alarm_metrics": "cloudwatch/alarm",
    "composite_alarms": "cloudwatch/composite_alarm",
    "dashboards": "cloudwatch/dashboard",
}

_HOURS_PER_DAY = 24


@dataclass(frozen=True)
class Watch:
    """The prices of what watches a deployment at its site."""

    deployment: Deployment
    plan: ServingPlan
    site: Site

    @property
    def _metrics(self) -> Watching:
        return Watching.of(self.deployment, self.plan)

    def component(self, demand: Demand) -> Component:
        """Return the cost of alarms, dashboards and the custom metrics of the functions.

        AWS charges for a custom metric in the hours that write it: the functions write theirs in
        the hours in which somebody asks, or documents change. The accelerator writes its metrics
        while it runs.
        """
        awake = self.accelerator_hour() * min(self.plan.expected_instance_hours, HOURS_PER_MONTH)
        idle = self.standing() + (awake if self.plan.mode is Mode.REALTIME else Impact())
        counts = {unit: self._count(unit).mid for unit in _PRICES}
        counts["metrics of answers"] = len(self._metrics.answers)
        basis = ", ".join(f"{unit.replace('_', ' ')} {count:.0f}" for unit, count in counts.items())
        return Component(
            "Watching",
            f"{basis} in {demand.asked_hours:,.0f} h",
            idle,
            self.standing()
            + awake
            + self.asked_hour() * demand.asked_hours
            + self.ingest_hour() * demand.ingest_hours,
            watches=True,
        )

    def standing(self) -> Impact:
        """Return what alarms and dashboards take in a month, whatever the use."""
        facts = self.site.facts
        return Impact.total(
            self.site.impact(usd=self._count(unit) * facts(f"prices/{price}", "USD/month"))
            for unit, price in _PRICES.items()
        ) + self.site.impact(
            power.managed_requests(self._count("alarm_metrics").mid * HOURS_PER_MONTH, facts)
            * facts("operations/alarm_evaluations", "1/h")
        )

    def asked_hour(self) -> Impact:
        """Return the cost of the metrics in an hour with questions."""
        return self._metric_hours(len(self._metrics.answers))

    def ingest_hour(self) -> Impact:
        """Return the cost of the metrics of an hour in which documents change."""
        return self._metric_hours(len(self._metrics.ingest))

    def accelerator_hour(self) -> Impact:
        """Return the cost of the accelerator metrics of an hour, for any number of instances."""
        return self._metric_hours(len(self._metrics.accelerator))

    def record_hour(self) -> Impact:
        """Return the cost of the metrics of the hourly footprint record of any hour."""
        metrics = self._metrics
        return self._metric_hours(len(metrics.record) + len(metrics.course) / _HOURS_PER_DAY)

    def record_awake_hour(self) -> Impact:
        """Return the cost of its metrics of an hour in which somebody asks."""
        return self._metric_hours(len(self._metrics.record_awake))

    def allowance(self, demand: Demand) -> Estimate:
        """Return what of the monthly cost with traffic is free in an account with nothing else."""
        facts, hours = self.site.facts, demand.asked_hours
        awake = min(self.plan.expected_instance_hours, HOURS_PER_MONTH)
        metric_hours = (
            len(self._metrics.answers) * hours
            + len(self._metrics.ingest) * demand.ingest_hours
            + len(self._metrics.record) * HOURS_PER_MONTH
            + len(self._metrics.course) * HOURS_PER_MONTH / _HOURS_PER_DAY
            + len(self._metrics.record_awake) * hours
            + len(self._metrics.accelerator) * awake
        )
        free = {
            "cloudwatch/alarm": min(self._count("alarm_metrics").mid, self._free("alarm_metrics")),
            "cloudwatch/dashboard": min(self._count("dashboards").mid, self._free("dashboards")),
            "cloudwatch/metric": min(metric_hours / HOURS_PER_MONTH, self._free("metrics")),
        }
        return (
            Estimate.total(
                [facts(f"prices/{price}", "USD/month") * count for price, count in free.items()]
            )
            * self.site.price_factor
        )

    def _free(self, unit: str) -> float:
        return self.site.facts(f"prices/free/{unit}", unit).mid

    def _count(self, unit: str) -> Estimate:
        level = "least" if self._metrics.is_least else "full"
        found = self.site.facts(f"workload/{unit}/{level}/{self.plan.mode}", unit)
        if unit == "alarm_metrics":  # each metric of the course has an alarm
            found += Estimate.exact(float(len(self._metrics.course)))
        return found

    def _metric_hours(self, count: float) -> Impact:
        monthly = self.site.facts("prices/cloudwatch/metric", "USD/month")
        return self.site.impact(
            power.managed_requests(count, self.site.facts)
            * self.site.facts("operations/metric_points", "1/h"),
            usd=monthly * (count / HOURS_PER_MONTH),
        )
