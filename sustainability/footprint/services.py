"""The footprint of API, queue, tables, storage, transfer and logs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from sustainability.deployment.schema import Deployment, Store
from sustainability.energy import power
from sustainability.energy.demand import Demand, passages
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.ranges import Estimate
from sustainability.plan.private_endpoints import interface_endpoints
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import chosen

_POLLED_MINUTES = HOURS_PER_MONTH * 60
_DAYS_PER_MONTH = HOURS_PER_MONTH / 24

PER_QUESTION = {"http_api/request": 1, "dynamodb/read": 2}
"""The call; a read of the answer cache; a read of the state that shows if documents changed."""

_ROW_BYTES = 350
"""Of a document's row in the manifest, without its passages; each of them takes 21 more."""
_WINDOW = 192
"""Passages that the ingest function writes before it notes them."""


def per_searched(deployment: Deployment) -> dict[str, float]:
    """Return the requests of an answer that the cache does not have, by the names of their prices.

    A claim of one kB and the answer, of four, or the note that it stands after a change of
    documents; for a store that sleeps, also the time of the search.
    """
    return {"dynamodb/write": 6 if chosen(deployment) is Store.SERVERLESS else 5}


def per_document(passages: float) -> dict[str, float]:
    """Return the requests of a document whose ``passages`` all change, by the names of their price.

    A message is sent, received, hidden from others and deleted. The state of the index is read, and
    counts up. The row of the document is claimed and notes what will be written. It is renewed
    before each window of passages and before the deletion of the former ones, noted after each
    window, and settled. DynamoDB counts each kB of a row; this one lists old and new passages.
    """

    def units(listed: float) -> int:
        return math.ceil((_ROW_BYTES + 21 * listed) / 1024)

    windows = max(1, math.ceil(passages / _WINDOW))
    claimed, counted = units(passages), 1
    noted = (3 + 2 * windows) * units(2 * passages)
    return {"dynamodb/read": 1, "dynamodb/write": claimed + noted + counted, "sqs/request": 4}


def of_document(deployment: Deployment, site: Site) -> Impact:
    """Return the footprint of the requests for one changed document."""
    return called(per_document(passages(deployment, site.facts).mid), site)


def called(counts: Mapping[str, float], site: Site) -> Impact:
    """Return the footprint of requests to managed services; keys are the names of the prices."""
    facts = site.facts
    cost = Estimate.total(
        [facts(f"prices/{name}", "USD/million") * (count / 1e6) for name, count in counts.items()]
    )
    return site.impact(power.managed_requests(sum(counts.values()), facts), usd=cost)


def requests(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return the footprint of the API, the ingest queue and the tables."""
    polls = site.facts("workload/queue_polls", "requests/min").mid * _POLLED_MINUTES
    idle = called({"sqs/request": polls}, site)
    traffic = (
        idle
        + called(PER_QUESTION, site) * demand.questions
        + called(per_searched(deployment), site) * demand.searched
        + of_document(deployment, site) * demand.changed_documents
    )
    return Component(
        "API, queue and tables",
        f"{demand.questions:,.0f} questions, {polls:,.0f} polls of the empty queue",
        idle,
        traffic,
    )


def endpoints(deployment: Deployment, plan: ServingPlan, site: Site) -> Iterator[Component]:
    """Yield the cost of interface endpoints, which run in each zone day and night.

    AWS publishes nothing about their energy, so that none is counted.
    """
    names, network = interface_endpoints(deployment, plan), deployment.company.network
    if not names or network is None:
        return
    hours = len(names) * len(network.subnets) * HOURS_PER_MONTH
    kept = Impact(usd=site.facts("prices/vpc/interface_endpoint", "USD/h") * hours)
    yield Component(
        "VPC endpoints",
        f"{len(names)} interface endpoints in {len(network.subnets)} zones; AWS publishes no "
        "energy for them, so none is counted",
        kept,
        kept,
    )


def storage(deployment: Deployment, site: Site) -> Component:
    """Return the footprint of the documents in S3, including a month of noncurrent versions."""
    facts, knowledge = site.facts, deployment.knowledge
    versions = 1 + knowledge.changed_per_month
    gigabytes = knowledge.documents * knowledge.document_kb * 1024 * versions / 1e9
    copies = facts("power/copies/s3", "copies").mid
    kept = stored(gigabytes, site)
    return Component("Documents", f"S3, {gigabytes:,.2f} GB in {copies:.0f} copies", kept, kept)


def stored(gigabytes: float, site: Site) -> Impact:
    """Return the monthly footprint of storing so much in S3."""
    facts = site.facts
    disk = power.hdd(gigabytes / 1000 * facts("power/copies/s3", "copies").mid, facts)
    return site.impact(
        disk.kwh(HOURS_PER_MONTH),
        embodied_g=disk.embodied_g_per_h * HOURS_PER_MONTH,
        usd=facts("prices/s3/storage", "USD/GB-month") * gigabytes,
    )


def carried(site: Site) -> Impact:
    """Return the footprint of the data transfer of one answer to the user."""
    gigabytes = site.facts("workload/answer_kb", "kB") / 1e6
    return site.impact(
        site.facts("power/network", "kWh/GB") * gigabytes,
        usd=site.facts("prices/transfer/out", "USD/GB") * gigabytes,
    )


def transfer(demand: Demand, site: Site) -> Component:
    """Return the footprint of the data transfer of the answers to the users."""
    gigabytes = site.facts("workload/answer_kb", "kB") * (demand.questions / 1e6)
    return Component(
        "Data transfer",
        f"{gigabytes.mid:,.2f} GB out",
        Impact(),
        carried(site) * demand.questions,
    )


def logged(deployment: Deployment, site: Site) -> Impact:
    """Return the footprint of the log lines and the trace of one question over their retention."""
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
    """Return the footprint of log lines and traces over their retention."""
    monitoring = deployment.monitoring
    gigabytes = site.facts("workload/log_kb_per_answer", "kB") * (demand.questions / 1e6)
    return Component(
        "Logs",
        f"{gigabytes.mid:,.2f} GB, kept {monitoring.log_retention_days} days"
        + (", every answer traced" if monitoring.tracing else ""),
        Impact(),
        logged(deployment, site) * demand.questions,
    )
