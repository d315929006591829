"""Everything around the answers: API, queue, tables, storage, transfer, logs, monitoring."""

from __future__ import annotations

from sustainability import power
from sustainability.deployment import Deployment
from sustainability.estimate import Estimate
from sustainability.grid import Site
from sustainability.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.parts.demand import Demand

_POLLED_MINUTES = HOURS_PER_MONTH * 60
_DAYS_PER_MONTH = HOURS_PER_MONTH / 24


def requests(demand: Demand, site: Site) -> Component:
    """Return what the API, the ingest queue and the tables take.

    An answer is one API call, one read and one write of the answer cache, and reads of the state
    that says whether documents changed; a document is a message in and out and a read and a write.
    """
    facts = site.facts
    polls = facts("workload/queue_polls", "requests/min").mid * _POLLED_MINUTES

    def taken(questions: float, generated: float, documents: float) -> Impact:
        counts = {
            "http_api/request": questions,
            "dynamodb/read": 2 * questions + documents,
            "dynamodb/write": generated + documents,
            "sqs/request": polls + 3 * documents,
        }
        cost = Estimate.total(
            [
                facts(f"prices/{name}", "USD/million") * (count / 1e6)
                for name, count in counts.items()
            ]
        )
        return site.impact(power.managed_requests(sum(counts.values()), facts), usd=cost)

    return Component(
        "API, queue and tables",
        f"{demand.questions:,.0f} questions; an idle queue is polled {polls:,.0f} times",
        taken(0, 0, 0),
        taken(demand.questions, demand.generated, demand.changed_documents),
    )


def storage(deployment: Deployment, site: Site) -> Component:
    """Return what the documents in the bucket take, noncurrent versions of a month included."""
    facts, knowledge = site.facts, deployment.knowledge
    versions = 1 + knowledge.changed_per_month
    gigabytes = knowledge.documents * knowledge.document_kb * 1024 * versions / 1e9
    copies = facts("power/copies/s3", "copies").mid
    disk = power.hdd(gigabytes / 1000 * copies, facts)
    stored = site.impact(
        disk.kwh(HOURS_PER_MONTH),
        embodied_g=disk.embodied_g_per_h * HOURS_PER_MONTH,
        usd=facts("prices/s3/storage", "USD/GB-month") * gigabytes,
    )
    return Component("Documents", f"S3, {gigabytes:,.2f} GB in {copies:.0f} copies", stored, stored)


def transfer(demand: Demand, site: Site) -> Component:
    """Return what carrying the answers to whoever asked takes."""
    facts = site.facts
    gigabytes = facts("workload/answer_kb", "kB") * (demand.questions / 1e6)
    return Component(
        "Data transfer",
        f"{gigabytes.mid:,.2f} GB out",
        Impact(),
        site.impact(
            facts("power/network", "kWh/GB") * gigabytes,
            usd=facts("prices/transfer/out", "USD/GB") * gigabytes,
        ),
    )


def logs(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return what log lines, and traces if they are on, take until their retention ends."""
    facts, monitoring = site.facts, deployment.monitoring
    gigabytes = facts("workload/log_kb_per_answer", "kB") * (demand.questions / 1e6)
    kept = gigabytes * (monitoring.log_retention_days / _DAYS_PER_MONTH)
    disk = power.hdd(facts("power/copies/s3", "copies").mid / 1000, facts)
    written = site.impact(
        disk.watts * kept * (HOURS_PER_MONTH / 1000),
        embodied_g=disk.embodied_g_per_h * kept * HOURS_PER_MONTH,
        usd=facts("prices/logs/ingestion", "USD/GB") * gigabytes
        + facts("prices/logs/storage", "USD/GB-month") * kept,
    )
    if monitoring.tracing:
        price = facts("prices/xray/trace", "USD/million")
        written += site.impact(usd=price * (demand.questions / 1e6))
    return Component(
        "Logs",
        f"{gigabytes.mid:,.2f} GB, kept {monitoring.log_retention_days} days"
        + (", every answer traced" if monitoring.tracing else ""),
        Impact(),
        written,
    )


def monitoring(site: Site) -> Component:
    """Return what alarms, dashboards, metrics and keys cost; no source states their energy.

    A custom metric is paid for in the hours that write it: none when nobody asks, and counted as
    every hour under traffic.
    """
    facts = site.facts
    priced = {
        "alarms": "cloudwatch/alarm",
        "dashboards": "cloudwatch/dashboard",
        "metrics": "cloudwatch/metric",
        "keys": "kms/key",
    }
    counts = {kind: facts(f"workload/{kind}", kind) for kind in priced}
    monthly = {
        kind: site.impact(usd=counts[kind] * facts(f"prices/{price}", "USD/month"))
        for kind, price in priced.items()
    }
    idle = Impact.total(impact for kind, impact in monthly.items() if kind != "metrics")
    basis = ", ".join(f"{kind} {count.mid:.0f}" for kind, count in counts.items())
    return Component(
        "Monitoring and keys", f"{basis}; money only", idle, Impact.total(monthly.values())
    )
