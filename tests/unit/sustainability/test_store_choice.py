"""Which store ``auto`` chooses, held against what each takes."""

from __future__ import annotations

from typing import Any

import pytest

from sustainability.deployment.schema import Deployment, Objective, Store
from sustainability.facts.lookup import Facts
from sustainability.plan.knowledge_store import store_reasons
from sustainability.stores.choice import cheapest, taken, turns
from sustainability.stores.kinds import PROFILES, chosen, profile
from sustainability.stores.serverless import max_ocu
from tests.unit.sustainability.deployments import a_deployment, traffic


def deployment(per_hour: float, documents: int = 500, **sections: Any) -> Deployment:
    knowledge = {"store": "auto", "documents": documents}
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


def by_cost(per_hour: float) -> Deployment:
    return deployment(per_hour, 20_000, inference={"optimize": "cost"})


def test_at_each_turn_the_other_store_takes_less_and_just_below_it_does_not() -> None:
    found = turns(by_cost(10), PROFILES)
    assert found
    before = chosen(by_cost(10))
    for turn in found:
        assert chosen(by_cost(turn.per_hour * 1.001)) is turn.store
        assert chosen(by_cost(turn.per_hour * 0.98)) is before
        before = turn.store


def test_for_many_searches_nodes_cost_less_than_units_and_for_more_as_well() -> None:
    """Both grow with the searches, so what costs less for many costs less for more."""
    profiles = {kind: PROFILES[kind] for kind in (Store.SERVERLESS, Store.DOMAIN)}
    assert cheapest(by_cost(1000), profiles) is Store.DOMAIN
    assert turns(by_cost(1000), profiles) == []


def test_the_limit_in_units_grows_with_searches_and_with_documents() -> None:
    for documents in (500, 20_000, 2_000_000):
        limits = [max_ocu(deployment(rate, documents), Facts()) for rate in (1, 1000, 50_000)]
        assert limits == sorted(limits)
    assert max_ocu(deployment(50_000), Facts()) > max_ocu(deployment(1), Facts())
    assert max_ocu(deployment(1, 2_000_000), Facts()) > max_ocu(deployment(1), Facts())


def test_a_stated_limit_is_taken_and_told_if_it_is_too_low() -> None:
    stated = a_deployment(
        knowledge={"store": "serverless", "documents": 20_000, "serverless": {"max_ocu": 2}},
        traffic=traffic(50_000),
    )
    assert max_ocu(stated, Facts()) == 2
    assert "not enough" in store_reasons(stated)[0]


def test_the_plan_says_why_and_a_store_that_is_named_gets_its_size_alone() -> None:
    why = store_reasons(by_cost(10))
    assert "S3 Vectors" in why[0]
    assert any("questions an hour" in reason for reason in why[1:])
    (size,) = store_reasons(a_deployment(knowledge={"store": "domain"}))
    assert "m7g.medium.search" in size


def test_a_store_that_is_named_is_taken_as_it_is() -> None:
    for store in PROFILES:
        named = a_deployment(knowledge={"store": store})
        assert chosen(named) is store
        assert profile(named) is PROFILES[store]
