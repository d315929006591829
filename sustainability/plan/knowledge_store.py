"""Why the knowledge store is the one that it is."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment, Objective, Store
from sustainability.energy.verdict import Verdict
from sustainability.stores.choice import taken, turns
from sustainability.stores.kinds import PROFILES, chosen

_UNITS = {Objective.ENERGY: "Wh", Objective.CARBON: "gCO2e", Objective.COST: "USD"}


def store_reasons(deployment: Deployment) -> tuple[str, ...]:
    """Return why ``auto`` chose the store, and the rates at which the choice turns."""
    if deployment.knowledge.store is not Store.AUTO:
        return ()
    store, month = chosen(deployment), taken(deployment, PROFILES)
    unit = _UNITS[deployment.inference.optimize]
    others = ", ".join(
        f"{PROFILES[other].service} {value.mid:,.3g}, {Verdict.between(month[store], value)}"
        for other, value in month.items()
        if other is not store
    )
    reasons = [
        f"The knowledge store is {PROFILES[store].service}: of those that answer a search in time, "
        f"it uses the least in a month, {month[store].mid:,.3g} {unit} ({others})."
    ]
    for turn in turns(deployment, PROFILES):
        size = deployment.knowledge.domain.instance_type if turn.store is Store.DOMAIN else ""
        machine = f", here of {size}," if size else ""
        reasons.append(
            f"From {turn.per_hour:,.0f} questions an hour on the mean, "
            f"{PROFILES[turn.store].service}{machine} uses less."
        )
    return tuple(reasons)
