"""Everything around the answers: API, queue, tables, storage, transfer, logs, monitoring."""

from __future__ import annotations

from collections.abc import Mapping

from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.ranges import Estimate
from sustainability.plan.serving_plan import Mode, ServingPlan

_POLLED_MINUTES = HOURS_PER_MONTH * 60
_DAYS_PER_MONTH = HOURS_PER_MONTH / 24
_PRICES = {
    "alarm_metrics": "cloudwatch/alarm",
    "composite_alarms": "cloudwatch/composite_alarm",
    "dashboards": "cloudwatch/dashboard",
    "keys": "kms/key",
}

PER_QUESTION = {"http_api/request": 1, "dynamodb/read": 2}
"""The call, and reads of the answer cache and of the state that says whether documents changed."""
PER_GENERATED = {"dynamodb/write": 1}
PER_DOCUMENT = {"dynamodb/read": 1, "dynamodb/write": 1, "sqs/request": 3}
"""A message in, out and deleted; a read and a write of what is known about the document."""


def called(counts: Mapping[str, float], site: Site) -> Impact:
    """Return what so many requests to managed services take, each by the name of its price."""
    facts = site.facts
    cost = Estimate.total(
        [facts(f"prices/{name}", "USD/million") * (count / 1e6) for name, count in counts.items()]
    )
    return site.impact(power.managed_requests(sum(counts.values()), facts), usd=cost)


def requests(demand: Demand, site: Site) -> Component:
    """Return what the API, the ingest queue and the tables take."""
    polls = site.facts("workload/queue_polls", "requests/min").mid * _POLLED_MINUTES
    idle = called({"sqs/request": polls}, site)
    traffic = (
        idle
        + called(PER_QUESTION, site) * demand.questions
        + called(PER_GENERATED, site) * demand.generated
        + called(PER_DOCUMENT, site) * demand.changed_documents
    )
    return Component(
        "API, queue and tables",
        f"{demand.questions:,.0f} questions; an idle queue is polled {polls:,.0f} times",
        idle,
        traffic,
    )


def storage(deployment: Deployment, site: Site) -> Component:
    """Return what the documents in the bucket take, noncurrent versions of a month included."""
    facts, knowledge = site.facts, deployment.knowledge
    versions = 1 + knowledge.changed_per_month
    gigabytes = knowledge.documents * knowledge.document_kb * 1024 * versions / 1e9
    copies = facts("power/copies/s3", "copies").mid
    kept = stored(gigabytes, site)
    return Component("Documents", f"S3, {gigabytes:,.2f} GB in {copies:.0f} copies", kept, kept)


def stored(gigabytes: float, site: Site) -> Impact:
    """Return what keeping so much in S3 takes in a month."""
    facts = site.facts
    disk = power.hdd(gigabytes / 1000 * facts("power/copies/s3", "copies").mid, facts)
    return site.impact(
        disk.kwh(HOURS_PER_MONTH),
        embodied_g=disk.embodied_g_per_h * HOURS_PER_MONTH,
        usd=facts("prices/s3/storage", "USD/GB-month") * gigabytes,
    )


def carried(site: Site) -> Impact:
    """Return what carrying one answer to whoever asked takes."""
    gigabytes = site.facts("workload/answer_kb", "kB") / 1e6
    return site.impact(
        site.facts("power/network", "kWh/GB") * gigabytes,
        usd=site.facts("prices/transfer/out", "USD/GB") * gigabytes,
    )


def transfer(demand: Demand, site: Site) -> Component:
    """Return what carrying the answers to whoever asked takes."""
    gigabytes = site.facts("workload/answer_kb", "kB") * (demand.questions / 1e6)
    return Component(
        "Data transfer",
        f"{gigabytes.mid:,.2f} GB out",
        Impact(),
        carried(site) * demand.questions,
    )


def logged(deployment: Deployment, site: Site) -> Impact:
    """Return what the log lines of one question, and its trace, take until they are deleted."""
    facts, monitoring = site.facts, deployment.monitoring
    gigabytes = facts("workload/log_kb_per_answer", "kB") / 1e6
    kept = gigabytes * (monitoring.log_retention_days / _DAYS_PER_MONTH)
    disk = power.hdd(facts("power/copies/s3", "copies").mid / 1000, facts)
    written = site.impact(
        disk.watts * kept * (HOURS_PER_MONTH / 1000),
        embodied_g=disk.embodied_g_per_h * kept * HOURS_PER_MONTH,
        usd=facts("prices/logs/ingestion", "USD/GB") * gigabytes
        + facts("prices/logs/storage", "USD/GB-month") * kept,
    )
    if monitoring.tracing:
        written += site.impact(usd=facts("prices/xray/trace", "USD/million") / 1e6)
    return written


def logs(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return what log lines, and traces if they are on, take until their retention ends."""
    monitoring = deployment.monitoring
    gigabytes = site.facts("workload/log_kb_per_answer", "kB") * (demand.questions / 1e6)
    return Component(
        "Logs",
        f"{gigabytes.mid:,.2f} GB, kept {monitoring.log_retention_days} days"
        + (", every answer traced" if monitoring.tracing else ""),
        Impact(),
        logged(deployment, site) * demand.questions,
    )


def monitoring(plan: ServingPlan, site: Site) -> Component:
    """Return what alarms, dashboards, metrics and keys cost; no source states their energy.

    A custom metric is paid for in the hours that write it: those of the functions in none when
    nobody asks, and counted as in every hour under traffic; those of the accelerator while it is
    awake.
    """
    awake = accelerator_metrics_hour(site) * min(plan.expected_instance_hours, HOURS_PER_MONTH)
    always = awake if plan.mode is Mode.REALTIME else Impact()
    counts = {unit: site.facts(f"workload/{key}", unit).mid for key, unit in _units(plan).items()}
    basis = ", ".join(f"{unit.replace('_', ' ')} {count:.0f}" for unit, count in counts.items())
    idle = watching(plan, site)
    return Component(
        "Monitoring and keys",
        f"{basis}; money only",
        idle + always,
        idle + awake + metrics(site),
    )


def watching(plan: ServingPlan, site: Site) -> Impact:
    """Return what alarms, dashboards and keys cost in a month, used or not."""
    facts = site.facts
    return Impact.total(
        site.impact(
            usd=facts(f"workload/{key}", unit) * facts(f"prices/{_PRICES[unit]}", "USD/month")
        )
        for key, unit in _units(plan).items()
        if unit in _PRICES
    )


def _units(plan: ServingPlan) -> dict[str, str]:
    """Return what is counted, by where the facts have it."""
    of_mode = {f"{unit}/{plan.mode}": unit for unit in ("alarm_metrics", "composite_alarms")}
    return of_mode | {unit: unit for unit in ("dashboards", "keys", "metrics")}


def metrics(site: Site) -> Impact:
    """Return what the metrics of the functions cost in a month of which every hour writes them."""
    monthly = site.facts("prices/cloudwatch/metric", "USD/month")
    return site.impact(usd=monthly * site.facts("workload/metrics", "metrics"))


def accelerator_metrics_hour(site: Site) -> Impact:
    """Return what an hour of the accelerator monitor's metrics costs, however many instances."""
    monthly = site.facts("prices/cloudwatch/metric", "USD/month")
    count = site.facts("workload/accelerator_metrics", "metrics")
    return site.impact(usd=monthly * count / HOURS_PER_MONTH)
