"""Which store uses the least for the declared traffic and searches within its latency limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.demand import Demand
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import Facts
from sustainability.stores.profile import StoreProfile

_MOST_PER_HOUR = 100_000
"""Higher rates are not examined."""
_STEPS = 24
_HALVINGS = 12


@dataclass(frozen=True)
class Turn:
    """A mean rate of questions from which on another store uses less."""

    per_hour: float
    store: Store


@dataclass(frozen=True)
class _Choice:
    deployment: Deployment
    profiles: Mapping[Store, StoreProfile]
    facts: Facts = field(default_factory=Facts)

    def at(self, times: float) -> Store:
        """Return the store that uses the least with ``times`` as many questions."""
        demand = Demand.of(self.deployment, self.facts, times=times)
        fitting = [store for store in self.profiles if self._in_time(store, demand)]
        objective = self.deployment.inference.optimize
        return min(
            fitting or self.profiles,
            key=lambda store: self.taken(store, demand).by(objective).mid,
        )

    def taken(self, store: Store, demand: Demand) -> Impact:
        """Return what the store takes in a month."""
        site = Site.of_region(
            self.deployment.region, self.deployment.footprint.accounting, self.facts
        )
        return self.profiles[store].component(self.deployment, demand, site).traffic

    def _in_time(self, store: Store, demand: Demand) -> bool:
        """Whether a search in this store fits the searches' part of the latency limit."""
        level = self.deployment.service_level
        if level.latency_p95 is None:
            return True
        seconds = self.facts(f"workload/search_seconds/{store}", "s")
        share = self.facts("workload/search_share", "ratio").mid
        # A store that scales to zero answers late when it starts; the others have no such case.
        asleep = 1 - demand.search_hours / HOURS_PER_MONTH
        waits = store is not Store.SERVERLESS or asleep > 1 - level.attainment
        return (seconds.high if waits else seconds.mid) <= share * level.latency_p95.total_seconds()


def cheapest(deployment: Deployment, profiles: Mapping[Store, StoreProfile]) -> Store:
    """Return the store that uses the least of the optimized quantity, among those in time."""
    return _Choice(deployment, profiles).at(1)


def turns(deployment: Deployment, profiles: Mapping[Store, StoreProfile]) -> list[Turn]:
    """Return the rates above the declared rate at which another store would be chosen."""
    choice = _Choice(deployment, profiles)
    declared = deployment.traffic.questions_per_month / HOURS_PER_MONTH
    if not 0 < declared < _MOST_PER_HOUR:
        return []
    found, low, before = [], 1.0, choice.at(1)
    most = _MOST_PER_HOUR / declared
    for step in range(1, _STEPS + 1):
        high = most ** (step / _STEPS)
        if (after := choice.at(high)) is not before:
            below, above = low, high
            for _ in range(_HALVINGS):
                middle = (below * above) ** 0.5
                if choice.at(middle) is before:
                    below = middle
                else:
                    above = middle
            found.append(Turn(declared * above, after))
            before = after
        low = high
    return found


def taken(deployment: Deployment, profiles: Mapping[Store, StoreProfile]) -> dict[Store, Impact]:
    """Return what each store would take in a month of the declared traffic."""
    choice = _Choice(deployment, profiles)
    demand = Demand.of(deployment, choice.facts)
    return {store: choice.taken(store, demand) for store in profiles}
