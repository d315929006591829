"""A managed OpenSearch domain: its nodes never scale to zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sustainability.deployment.schema import Availability, Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.stores.searching import BUSY_SHARE, VECTORS_SHARE, Held, busy, searches

_SIZES = tuple(
    f"{family}.{size}.search"
    for size in ("medium", "large", "xlarge", "2xlarge")
    for family in ("m7g", "r7g")
)
"""By energy and by price, the least first."""
SMALLEST = _SIZES[0]
_QUORUM = 3
"""Nodes of which a majority is left when one Availability Zone fails."""
_MOST_NODES = 30
_LEAST_GB, _MOST_GB = 10, 1024


@dataclass(frozen=True)
class DomainSize:
    """The least domain that holds the documents and does the searches."""

    instance_type: str
    nodes: int
    """Each holds all documents."""
    volume_gb: int
    """gp3 storage of each node."""
    is_enough: bool
    """False if no size here is: then this is the largest."""
    reason: str

    @property
    def zones(self) -> int:
        """Availability Zones, over which the nodes are spread evenly."""
        return next(zones for zones in (3, 2, 1) if self.nodes % zones == 0)


def size(deployment: Deployment, facts: Facts, *, times: float = 1) -> DomainSize:
    """Return the size for ``times`` the declared questions, with what the deployment states.

    Memory beside the heap holds the vectors. Processors work half of the time at the peak, with one
    node lost if there are several. Storage is 1.45 times the source (Amazon OpenSearch Service,
    sizing domains).
    """
    stated, held = deployment.knowledge.domain, Held.of(deployment, facts)
    needed = math.ceil(1.45 * (held.text_gib + held.vectors_gib))
    volume = stated.volume_gb or min(max(needed, _LEAST_GB), _MOST_GB)
    peak = deployment.traffic.peak_per_hour * times
    vcpus = busy(deployment, peak, facts)
    reason = (
        f"At most, {held.passages:,.0f} passages keep {held.vectors_gib:,.2f} GiB of vectors in "
        f"memory, and {searches(deployment, peak):,.1f} searches/s at the peak keep {vcpus:,.2f} "
        "vCPUs busy."
    )
    for name, nodes in _candidates(deployment):
        machine = power.shape(name, facts)
        left = max(nodes - 1, 1)
        fits = held.vectors_gib <= machine.memory_gib * VECTORS_SHARE
        if fits and vcpus <= machine.vcpus * left * BUSY_SHARE:
            return DomainSize(name, nodes, volume, True, reason)
    return DomainSize(name, nodes, volume, False, reason)


def _candidates(deployment: Deployment) -> Iterator[tuple[str, int]]:
    """Yield instance types and numbers of nodes, the least first."""
    stated = deployment.knowledge.domain
    names = (stated.instance_type,) if stated.instance_type else _SIZES
    first = _QUORUM if deployment.service_level.availability is Availability.HIGH else 1
    more = range(_QUORUM, _MOST_NODES + 1, _QUORUM)
    counts = (stated.nodes,) if stated.nodes else sorted({first, *more})
    # A larger node before more nodes: each node holds all documents.
    yield from ((name, nodes) for nodes in counts for name in names)


class DomainProfile:
    """Nodes of one type, each with a volume, that run day and night."""

    resource = "AWS::OpenSearchService::Domain"
    service = "OpenSearch Service"

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the nodes use in a month, with or without questions."""
        declared = deployment.traffic.questions_per_month
        times = demand.questions / declared if declared else 1
        domain = size(deployment, site.facts, times=times)
        always = _node_hour(domain, site) * (domain.nodes * HOURS_PER_MONTH)
        return Component(
            "Knowledge store",
            f"{domain.nodes} x {domain.instance_type}, {domain.volume_gb} GB each, always on",
            idle=always,
            traffic=always,
        )

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what a node with its volume uses in an hour."""
        return {"node_hours": _node_hour(size(deployment, site.facts), site)}

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return nothing: nodes and their volumes are measured."""
        return Impact()


def _node_hour(domain: DomainSize, site: Site) -> Impact:
    facts = site.facts
    node = power.instance(domain.instance_type, facts)
    volume = power.ssd(domain.volume_gb / 1000 * facts("power/copies/ebs", "copies").mid, facts)
    monthly_disk = facts("prices/opensearch/gp3", "USD/GB-month") * domain.volume_gb
    return site.impact(
        (node.watts + volume.watts) / 1000,
        embodied_g=node.embodied_g_per_h + volume.embodied_g_per_h,
        usd=facts(f"prices/opensearch/{domain.instance_type}", "USD/h")
        + monthly_disk / HOURS_PER_MONTH,
    )
