"""The footprint of the hourly function, which writes the hourly footprint record."""

from __future__ import annotations

from sustainability.deployment.function_sizes import OPERATIONS_MEMORY_MIB
from sustainability.energy import power
from sustainability.energy.functions import function_second, invocation
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site


def operations(site: Site) -> Component:
    """Return the footprint of the hourly function, idle and with traffic."""
    idle = operations_hour(site) * HOURS_PER_MONTH
    return Component(
        "Hourly footprint record",
        f"{HOURS_PER_MONTH} runs of its function",
        idle,
        idle + answer_metrics_hour(site) * HOURS_PER_MONTH,
    )


def operations_hour(site: Site) -> Impact:
    """Return the footprint of one run."""
    facts = site.facts
    queries = facts("prices/cloudwatch/query", "USD/thousand") * (
        facts("operations/queries", "metrics").mid / 1000
    )
    return (
        function_second(OPERATIONS_MEMORY_MIB, site) * facts("operations/seconds", "s")
        + invocation(site)
        + site.impact(
            power.managed_requests(facts("operations/requests", "requests").mid, facts), usd=queries
        )
        + _metrics_hour("operations/metrics", site)
    )


def answer_metrics_hour(site: Site) -> Impact:
    """Return the cost of the metrics that only an hour with answers writes."""
    return _metrics_hour("operations/metrics_of_answers", site)


def _metrics_hour(count: str, site: Site) -> Impact:
    monthly = site.facts("prices/cloudwatch/metric", "USD/month") * site.facts(count, "metrics")
    return site.impact(usd=monthly / HOURS_PER_MONTH)
