"""The knowledge store: search units that sleep, or nodes that do not."""

from __future__ import annotations

from sustainability.deployment.schema import Availability, Deployment, Store
from sustainability.energy import power
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint.demand import Demand, document_tokens

_BYTES_PER_FLOAT = 4


def store(deployment: Deployment, demand: Demand, site: Site) -> Component:
    """Return what the knowledge store takes."""
    build = _serverless if deployment.knowledge.store is Store.SERVERLESS else _domain
    return build(deployment, demand, site)


def _serverless(deployment: Deployment, demand: Demand, site: Site) -> Component:
    facts = site.facts
    ceiling = deployment.knowledge.serverless.max_ocu

    def units(kind: str) -> Estimate:
        wanted = facts(f"workload/{kind}_ocus", "OCU")
        return Estimate(*(min(value, ceiling) for value in wanted.as_list()))

    unit_hours = units("search") * demand.search_hours + (units("indexing") * demand.indexing_hours)
    stored = kept(deployment, site)
    return Component(
        "Knowledge store",
        f"OpenSearch Serverless, {unit_hours.mid:,.0f} OCU-hours; searchable "
        f"{demand.search_hours:,.0f} h, asleep otherwise",
        idle=stored,
        traffic=stored + search_unit_hour(site) * unit_hours,
    )


def _domain(deployment: Deployment, demand: Demand, site: Site) -> Component:
    domain, count = deployment.knowledge.domain, nodes(deployment)
    always = node_hour(deployment, site) * (count * HOURS_PER_MONTH)
    return Component(
        "Knowledge store",
        f"{count} x {domain.instance_type}, {domain.volume_gb} GB each, always on",
        idle=always,
        traffic=always,
    )


def search_unit_hour(site: Site) -> Impact:
    """Return what a capacity unit of OpenSearch Serverless takes while it is awake."""
    unit = power.search_unit(site.facts)
    return site.impact(
        unit.kwh(1),
        embodied_g=unit.embodied_g_per_h,
        usd=site.facts("prices/opensearch/ocu", "USD/OCU-hour"),
    )


def kept(deployment: Deployment, site: Site) -> Impact:
    """Return what a serverless store's sleeping index takes in a month."""
    facts = site.facts
    terabytes = _index_gb(deployment, facts) / 1000
    disk = power.ssd(1, facts)
    copies = facts("power/copies/s3", "copies").mid
    return site.impact(
        disk.watts * terabytes * (copies * HOURS_PER_MONTH / 1000),
        embodied_g=disk.embodied_g_per_h * terabytes * (copies * HOURS_PER_MONTH),
        usd=terabytes * 1000 * facts("prices/opensearch/serverless_storage", "USD/GB-month"),
    )


def nodes(deployment: Deployment) -> int:
    """Return how many nodes a domain has."""
    return 3 if deployment.service_level.availability is Availability.HIGH else 1


def node_hour(deployment: Deployment, site: Site) -> Impact:
    """Return what a node of the domain takes, its volume included."""
    facts, domain = site.facts, deployment.knowledge.domain
    node = power.instance(domain.instance_type, facts)
    volume = power.ssd(domain.volume_gb / 1000 * facts("power/copies/ebs", "copies").mid, facts)
    monthly_disk = facts("prices/opensearch/gp3", "USD/GB-month") * domain.volume_gb
    return site.impact(
        (node.watts + volume.watts) / 1000,
        embodied_g=node.embodied_g_per_h + volume.embodied_g_per_h,
        usd=facts(f"prices/opensearch/{domain.instance_type}", "USD/h")
        + monthly_disk / HOURS_PER_MONTH,
    )


def _index_gb(deployment: Deployment, facts: Facts) -> Estimate:
    knowledge = deployment.knowledge
    text = knowledge.documents * knowledge.document_kb * 1024
    tokens = document_tokens(deployment, facts).mid * knowledge.documents
    chunks = tokens / knowledge.chunk_tokens
    vectors = chunks * knowledge.embedding.dimensions * _BYTES_PER_FLOAT
    return facts("workload/vector_overhead", "ratio") * ((text + vectors) / 1e9)
