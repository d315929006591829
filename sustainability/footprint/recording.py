"""The footprint of the function that writes the hourly footprint record."""

from __future__ import annotations

from sustainability.deployment.function_sizes import OPERATIONS_MEMORY_MIB
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.functions import function_second, invocation
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.footprint.watching import Watch


def record(watch: Watch, demand: Demand) -> Component:
    """Return the footprint of the record, idle and with traffic."""
    idle = record_hour(watch) * HOURS_PER_MONTH
    runs = HOURS_PER_MONTH / watch.site.facts("operations/hours_per_run", "h").mid
    return Component(
        "Hourly footprint record",
        f"{runs:.0f} runs of its function",
        idle,
        idle + watch.record_awake_hour() * demand.asked_hours,
        watches=True,
    )


def record_hour(watch: Watch) -> Impact:
    """Return the footprint of one hour: its part of a run, and the metrics of every hour."""
    hours = watch.site.facts("operations/hours_per_run", "h").mid
    return _run(watch.site) * (1 / hours) + watch.record_hour()


def _run(site: Site) -> Impact:
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
    )
