from __future__ import annotations

import random
from pathlib import Path

import pytest

from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import Demand
from sustainability.energy.repetition import Repetition
from sustainability.facts.lookup import Facts
from sustainability.footprint.footprint import footprint
from sustainability.plan.serving import plan_serving
from tests.unit.sustainability.deployments import a_deployment, traffic


def test_production_keeps_its_cached_answers_while_2000_other_documents_change() -> None:
    """90 % of the hits without changes are kept. Emptied by each change, 10 to 55 % were."""
    prod = Deployment.load(Path("deployments/prod.yaml"))
    repetition = Repetition.of(prod)
    assert prod.knowledge.documents * prod.knowledge.changed_per_month == 2000
    assert repetition.kept > 0.9 * prod.traffic.cache_hit_share
    assert repetition.unsearched < 0.1 * prod.traffic.cache_hit_share


@pytest.mark.parametrize(("documents", "changed"), [(20_000, 0.1), (500, 1.0), (50, 3.0)])
def test_the_shares_are_those_of_simulated_changes(documents: int, changed: float) -> None:
    deployment = a_deployment(
        traffic=traffic(90, cache_hit_share=0.5),
        knowledge={"documents": documents, "changed_per_month": changed},
    )
    chance, rate, read = random.Random(3), documents * changed / 730, deployment.answers.passages
    kept = unsearched = 0
    samples = 20_000
    for _ in range(samples):
        hours = chance.uniform(0, 24)
        moment, changes = chance.expovariate(rate), 0
        while moment < hours:
            changes, moment = changes + 1, moment + chance.expovariate(rate)
        unsearched += not changes
        # As many documents outside could come in as inside could drop out.
        kept += all(chance.randrange(documents) >= 2 * read for _ in range(changes))
    repetition = Repetition.of(deployment)
    assert repetition.kept == pytest.approx(0.5 * kept / samples, abs=0.01)
    assert repetition.unsearched == pytest.approx(0.5 * unsearched / samples, abs=0.01)


def test_changes_of_documents_cost_searches_and_hardly_generations() -> None:
    calm = a_deployment(
        traffic=traffic(90, cache_hit_share=0.4), knowledge={"changed_per_month": 0}
    )
    busy = a_deployment(
        traffic=traffic(90, cache_hit_share=0.4), knowledge={"changed_per_month": 9}
    )
    before, after = (Demand.of(deployment, Facts()) for deployment in (calm, busy))
    assert before.searched == before.generated == pytest.approx(0.6 * before.questions)
    assert after.searched > 1.2 * before.searched
    assert before.generated < after.generated < after.searched
    taken = [footprint(each, plan_serving(each)).traffic.kwh.mid for each in (calm, busy)]
    assert taken[0] < taken[1]
