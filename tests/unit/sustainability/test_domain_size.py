from __future__ import annotations

from typing import Any

import pytest

from sustainability.deployment.schema import Deployment
from sustainability.energy import power
from sustainability.energy.demand import Demand
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.stores.domain import DomainProfile, size
from tests.unit.sustainability.deployments import a_deployment, traffic

PROD = Deployment.load("deployments/prod.yaml")


def sized(documents: int, per_hour: float, **domain: Any) -> Any:
    deployment = a_deployment(
        knowledge={"store": "domain", "documents": documents, "domain": domain},
        traffic=traffic(per_hour),
    )
    return size(deployment, Facts())


def test_production_takes_a_quarter_less_than_with_the_nodes_that_were_typed_by_hand() -> None:
    facts = Facts()
    domain = PROD.knowledge.domain.model_copy(
        update={"instance_type": "m7g.large.search", "volume_gb": 20}
    )
    typed = PROD.model_copy(
        update={"knowledge": PROD.knowledge.model_copy(update={"domain": domain})}
    )
    site = Site.of_region(PROD.region, PROD.footprint.accounting, facts)
    now, before = (
        DomainProfile().component(each, Demand.of(each, facts), site).traffic
        for each in (PROD, typed)
    )
    assert now.kwh.mid < 0.6 * before.kwh.mid
    assert now.usd.mid < 0.6 * before.usd.mid


def test_a_stated_size_is_taken() -> None:
    domain = sized(500, 90, instance_type="r7g.large.search", nodes=2, volume_gb=70)
    assert (domain.instance_type, domain.nodes, domain.volume_gb) == ("r7g.large.search", 2, 70)
    assert domain.zones == 2


@pytest.mark.parametrize("per_hour", [1, 1000, 30_000, 300_000])
@pytest.mark.parametrize("documents", [0, 1000, 200_000, 1_000_000])
def test_more_documents_or_questions_never_get_less(documents: int, per_hour: float) -> None:
    facts = Facts()

    def held(documents: int, per_hour: float) -> tuple[float, float, int]:
        domain = sized(documents, per_hour)
        shape = power.shape(domain.instance_type, facts)
        return shape.memory_gib, shape.vcpus * domain.nodes, domain.volume_gb

    here = held(documents, per_hour)
    for more in (held(documents, 3 * per_hour), held(documents + 50_000, per_hour)):
        assert more[1] >= here[1] or more[0] >= here[0]
        assert more[2] >= here[2]


def test_what_no_size_holds_is_told_and_not_chosen() -> None:
    domain = sized(50_000_000, 90)
    assert not domain.is_enough
    assert "GiB of vectors" in domain.reason
