"""OpenSearch Serverless, next generation: capacity units (OCUs) that scale to zero."""

from __future__ import annotations

import math
from collections import Counter

from sustainability.deployment.accepted import OCU_LIMITS
from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand, document_tokens
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.stores.searching import BUSY_SHARE, VECTORS_SHARE, Held, busy, searches

_BYTES_PER_FLOAT = 4


def max_ocu(deployment: Deployment, facts: Facts, *, times: float = 1) -> int:
    """Return the limit in OCUs for ``times`` the declared questions, or the stated one.

    It is the least that holds the vectors and keeps half of the processors free at the peak.
    """
    needed = _needed(deployment, deployment.traffic.peak_per_hour * times, facts)
    enough = (limit for limit in OCU_LIMITS if limit >= needed)
    return deployment.knowledge.serverless.max_ocu or next(enough, OCU_LIMITS[-1])


def limit_reason(deployment: Deployment, facts: Facts) -> str:
    """Return the limit of the deployment, why it is that, and whether it is enough."""
    limit, peak = max_ocu(deployment, facts), deployment.traffic.peak_per_hour
    needed = _needed(deployment, peak, facts)
    short = "" if needed <= limit else " That is not enough: searches will wait."
    return (
        f"OpenSearch Serverless may run up to {limit} OCUs for searches, and as many for "
        f"indexing. At most, {searches(deployment, peak):,.1f} searches/s at the peak and the "
        f"vectors of all passages need {needed:,.1f} OCUs.{short}"
    )


def _needed(deployment: Deployment, peak_per_hour: float, facts: Facts) -> float:
    """Return the OCUs that searches need; AWS states no rule, so it is that of a domain's nodes."""
    memory = facts("power/ocu/memory", "GiB").mid * VECTORS_SHARE
    processors = facts("power/ocu/vcpu", "vCPU").mid * BUSY_SHARE
    vectors = Held.of(deployment, facts).vectors_gib / memory
    return max(vectors, busy(deployment, peak_per_hour, facts) / processors)


class ServerlessProfile:
    """OCUs during questions and for ten minutes after, and an index that is stored."""

    resource = "AWS::OpenSearchServerless::Collection"
    service = "OpenSearch Serverless"

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the index uses in a month, and the OCUs that traffic keeps running."""
        facts = site.facts
        declared = deployment.traffic.questions_per_month
        times = demand.questions / declared if declared else 1
        ceiling = max_ocu(deployment, facts, times=times)

        def units(kind: str) -> Estimate:
            wanted = facts(f"workload/{kind}_ocus", "OCU")
            return wanted.map(lambda value: min(value, ceiling))

        def more(peak_per_hour: float) -> Estimate:
            """Return the OCUs beyond those that any search starts."""
            needed = min(math.ceil(_needed(deployment, peak_per_hour * times, facts)), ceiling)
            return units("search").map(lambda started: max(needed - started, 0))

        week = deployment.traffic.week()
        hours = Counter(rate.peak_per_hour for rate in week)
        unit_hours = Estimate.total(
            [
                units("search") * demand.search_hours,
                units("indexing") * demand.indexing_hours,
                *(
                    more(rate) * (HOURS_PER_MONTH * count / len(week))
                    for rate, count in hours.items()
                ),
            ]
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
