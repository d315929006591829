"""Amazon S3 Vectors: storage, and the cost of each write and each query."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand, passages
from sustainability.energy.impact import HOURS_PER_MONTH, Component, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_BYTES_PER_FLOAT = 4
_FILTERED_BYTES = 150
"""Bytes of a passage's key, document, collection and format."""
_PUT_BYTES = 128 * 1024
"""Smallest size that AWS bills for a write."""


class VectorsProfile:
    """Nothing runs between questions. A query costs its time and the data that it reads."""

    resource = "AWS::S3Vectors::Index"
    service = "S3 Vectors"

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the vectors, the searches and the writes use in a month."""
        stored = self.standing(deployment, site)
        units = self.units(deployment, site)
        changed = passages(deployment, site.facts) * demand.changed_documents
        gigabytes = _gigabytes(deployment, site.facts)
        return Component(
            "Knowledge store",
            f"S3 Vectors, {gigabytes.mid:,.2f} GB, {demand.searched:,.0f} queries",
            idle=stored,
            traffic=stored
            + units["searches"] * demand.searched
            + units["written_chunks"] * changed,
        )

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what one search uses, and what writing one passage uses."""
        facts = site.facts
        count = passages(deployment, facts) * deployment.knowledge.documents
        read = count * ((_vector_bytes(deployment) + _FILTERED_BYTES) / 1e9)
        seconds = facts("power/s3_vectors/query", "vCPU-s") + read * facts(
            "power/s3_vectors/read", "vCPU-s/GB"
        )
        searched = site.impact(
            facts("power/vcpu/graviton", "W") * seconds * (1 / 3_600_000),
            usd=facts("prices/s3_vectors/query", "USD/million") * 1e-6
            + read * facts("prices/s3_vectors/read", "USD/GB"),
        )
        # One call writes all passages of a document.
        each = passages(deployment, facts).mid
        billed = max(_PUT_BYTES, _passage_bytes(deployment) * each) / each / 1e9
        written = site.impact(
            power.managed_requests(1 / each, facts),
            usd=facts("prices/s3_vectors/put", "USD/GB") * billed,
        )
        return {"searches": searched, "written_chunks": written}

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return what the stored vectors use in a month."""
        facts = site.facts
        gigabytes = _gigabytes(deployment, facts)
        disk = power.ssd(1, facts)
        copies = facts("power/copies/s3", "copies").mid
        return site.impact(
            disk.watts * gigabytes * (copies * HOURS_PER_MONTH / 1e6),
            embodied_g=disk.embodied_g_per_h * gigabytes * (copies * HOURS_PER_MONTH / 1000),
            usd=facts("prices/s3_vectors/storage", "USD/GB-month") * gigabytes,
        )


def _vector_bytes(deployment: Deployment) -> int:
    return deployment.knowledge.embedding.dimensions * _BYTES_PER_FLOAT


def _passage_bytes(deployment: Deployment) -> float:
    knowledge = deployment.knowledge
    return _vector_bytes(deployment) + _FILTERED_BYTES + knowledge.chunk_tokens * 4.0


def _gigabytes(deployment: Deployment, facts: Facts) -> Estimate:
    count = passages(deployment, facts) * deployment.knowledge.documents
    return count * (_passage_bytes(deployment) / 1e9)
