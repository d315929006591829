"""Why the knowledge store is the one that it is."""

from __future__ import annotations

from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.verdict import Verdict
from sustainability.facts.lookup import Facts
from sustainability.stores.choice import taken, turns
from sustainability.stores.domain import size
from sustainability.stores.kinds import PROFILES, chosen
from sustainability.stores.serverless import limit_reason


def store_reasons(deployment: Deployment) -> tuple[str, ...]:
    """Return the size of OpenSearch; why ``auto`` chose the store; when the choice turns."""
    store = chosen(deployment)
    sized = []
    if store is Store.DOMAIN:
        domain = size(deployment, Facts())
        sized.append(
            f"The domain has {domain.nodes} x {domain.instance_type} with {domain.volume_gb} GB "
            f"each. {domain.reason}"
        )
    elif store is Store.SERVERLESS:
        sized.append(limit_reason(deployment, Facts()))
    if deployment.knowledge.store is not Store.AUTO:
        return tuple(sized)
    month = taken(deployment, PROFILES)
    objective = deployment.inference.optimize
    reasons = [
        *sized,
        f"The knowledge store is {PROFILES[store].service}: of those that answer a search in time, "
        f"it uses the least {objective}. A month takes {_amounts(month[store])}.",
        *(
            f"{PROFILES[other].service} would take {_amounts(impact)} ({objective}: "
            f"{Verdict.between(impact.by(objective), month[store].by(objective))})."
            for other, impact in month.items()
            if other is not store
        ),
    ]
    declared = deployment.traffic.questions_per_month / HOURS_PER_MONTH
    for turn in turns(deployment, PROFILES):
        machine = ""
        if turn.store is Store.DOMAIN:
            domain = size(deployment, Facts(), times=turn.per_hour / declared)
            machine = f", here of {domain.nodes} x {domain.instance_type},"
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
