"""OpenSearch Serverless, next generation: capacity units (OCUs) that scale to zero."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand, document_tokens
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_BYTES_PER_FLOAT = 4


class ServerlessProfile:
    """OCUs during questions and for ten minutes after, and an index that is stored."""

    resource = "AWS::OpenSearchServerless::Collection"
    service = "OpenSearch Serverless"

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the index uses in a month, and the OCUs that traffic keeps running."""
        facts = site.facts
        ceiling = deployment.knowledge.serverless.max_ocu

        def units(kind: str) -> Estimate:
            wanted = facts(f"workload/{kind}_ocus", "OCU")
            return wanted.map(lambda value: min(value, ceiling))

        unit_hours = units("search") * demand.search_hours + (
            units("indexing") * demand.indexing_hours
        )
        stored = self.standing(deployment, site)
        return Component(
            "Knowledge store",
            f"OpenSearch Serverless, {unit_hours.mid:,.0f} OCU-hours; searchable "
            f"{demand.search_hours:,.0f} h, at zero otherwise",
            idle=stored,
            traffic=stored + _unit_hour(site) * unit_hours,
        )

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what one OCU uses in an hour."""
        return {"search_unit_hours": _unit_hour(site)}

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return what the stored index uses in a month."""
        facts = site.facts
        terabytes = _index_gb(deployment, facts) / 1000
        disk = power.ssd(1, facts)
        copies = facts("power/copies/s3", "copies").mid
        return site.impact(
            disk.watts * terabytes * (copies * HOURS_PER_MONTH / 1000),
            embodied_g=disk.embodied_g_per_h * terabytes * (copies * HOURS_PER_MONTH),
            usd=terabytes * 1000 * facts("prices/opensearch/serverless_storage", "USD/GB-month"),
        )


def _unit_hour(site: Site) -> Impact:
    unit = power.search_unit(site.facts)
    return site.impact(
        unit.kwh(1),
        embodied_g=unit.embodied_g_per_h,
        usd=site.facts("prices/opensearch/ocu", "USD/OCU-hour"),
    )


def _index_gb(deployment: Deployment, facts: Facts) -> Estimate:
    knowledge = deployment.knowledge
    text = knowledge.documents * knowledge.document_kb * 1024
    tokens = document_tokens(deployment, facts).mid * knowledge.documents
    chunks = tokens / knowledge.chunk_tokens
    vectors = chunks * knowledge.embedding.dimensions * _BYTES_PER_FLOAT
    return facts("workload/vector_overhead", "ratio") * ((text + vectors) / 1e9)
