"""Why the knowledge store is the one that it is."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.impact import Impact
from sustainability.energy.verdict import Verdict
from sustainability.stores.choice import taken, turns
from sustainability.stores.kinds import PROFILES, chosen


def store_reasons(deployment: Deployment) -> tuple[str, ...]:
    """Return why ``auto`` chose the store, and the rates at which the choice turns."""
    if deployment.knowledge.store is not Store.AUTO:
        return ()
    store, month = chosen(deployment), taken(deployment, PROFILES)
    objective = deployment.inference.optimize
    reasons = [
        f"The knowledge store is {PROFILES[store].service}: of those that answer a search in time, "
        f"it uses the least {objective}. A month takes {_amounts(month[store])}.",
        *(
            f"{PROFILES[other].service} would take {_amounts(impact)} ({objective}: "
            f"{Verdict.between(impact.by(objective), month[store].by(objective))})."
            for other, impact in month.items()
            if other is not store
        ),
    ]
    for turn in turns(deployment, PROFILES):
        size = deployment.knowledge.domain.instance_type if turn.store is Store.DOMAIN else ""
        machine = f", here of {size}," if size else ""
        reasons.append(
            f"From {turn.per_hour:,.0f} questions an hour on the mean, "
            f"{PROFILES[turn.store].service}{machine} uses less."
        )
    return tuple(reasons)


def _amounts(impact: Impact) -> str:
    wh, grams, usd = impact.kwh.mid * 1000, impact.carbon_g.mid, impact.usd.mid
    return f"{_digits(wh)} Wh, {_digits(grams)} gCO2e and {usd:,.2f} USD"


def _digits(value: float) -> str:
    """Return three significant digits, never in scientific notation."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
