"""Which store ``auto`` chooses, held against what each takes."""

from __future__ import annotations

from typing import Any

import pytest

from sustainability.deployment.schema import Deployment, Objective, Store
from sustainability.plan.knowledge_store import store_reasons
from sustainability.stores.choice import cheapest, taken, turns
from sustainability.stores.kinds import PROFILES, chosen, profile
from tests.unit.sustainability.deployments import a_deployment, traffic


def deployment(per_hour: float, **sections: Any) -> Deployment:
    knowledge = {"store": "auto", "documents": 500}
    return a_deployment(traffic=traffic(per_hour), knowledge=knowledge, **sections)


@pytest.mark.parametrize("optimize", ["energy", "carbon", "cost"])
@pytest.mark.parametrize("per_hour", [0.1, 20, 3_000, 90_000])
def test_the_store_that_takes_least_is_chosen_where_all_answer_in_time(
    optimize: str, per_hour: float
) -> None:
    asked = deployment(per_hour, service_level={"deadline": "6h"}, inference={"optimize": optimize})
    month = taken(asked, PROFILES)
    assert chosen(asked) is min(month, key=lambda store: month[store].by(Objective(optimize)).mid)


def test_what_has_to_wake_is_not_chosen_for_answers_within_seconds() -> None:
    profiles = {kind: PROFILES[kind] for kind in (Store.SERVERLESS, Store.DOMAIN)}
    rare = deployment(0.1)
    month = taken(rare, profiles)
    assert month[Store.SERVERLESS].kwh.mid < month[Store.DOMAIN].kwh.mid
    assert cheapest(rare, profiles) is Store.DOMAIN


def test_at_each_turn_the_other_store_takes_less_and_just_below_it_does_not() -> None:
    found = turns(deployment(20), PROFILES)
    assert found
    before = chosen(deployment(20))
    for turn in found:
        assert chosen(deployment(turn.per_hour * 1.001)) is turn.store
        assert chosen(deployment(turn.per_hour * 0.98)) is before
        before = turn.store


def test_the_plan_says_why_and_a_store_that_is_named_needs_no_reason() -> None:
    why = store_reasons(deployment(20))
    assert "S3 Vectors" in why[0]
    assert any("questions an hour" in reason for reason in why[1:])
    assert store_reasons(a_deployment(knowledge={"store": "domain"})) == ()


def test_a_store_that_is_named_is_taken_as_it_is() -> None:
    for store in PROFILES:
        named = a_deployment(knowledge={"store": store})
        assert chosen(named) is store
        assert profile(named) is PROFILES[store]
