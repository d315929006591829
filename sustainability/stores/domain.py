"""A managed OpenSearch domain: its nodes never scale to zero."""

from __future__ import annotations

from sustainability.deployment.schema import Availability, Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site


def nodes(deployment: Deployment) -> int:
    """Return how many nodes a domain has."""
    return 3 if deployment.service_level.availability is Availability.HIGH else 1


class DomainProfile:
    """Nodes of one type, each with a volume, that run day and night."""

    resource = "AWS::OpenSearchService::Domain"
    service = "OpenSearch Service"

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the nodes use in a month, with or without questions."""
        domain, count = deployment.knowledge.domain, nodes(deployment)
        always = _node_hour(deployment, site) * (count * HOURS_PER_MONTH)
        return Component(
            "Knowledge store",
            f"{count} x {domain.instance_type}, {domain.volume_gb} GB each, always on",
            idle=always,
            traffic=always,
        )

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what a node with its volume uses in an hour."""
        return {"node_hours": _node_hour(deployment, site)}

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return nothing: nodes and their volumes are measured."""
        return Impact()


def _node_hour(deployment: Deployment, site: Site) -> Impact:
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
