"""What each answer states of itself: what it added, and its share of all that the deployment takes.

*Added* is what the deployment takes more because of one question: its request, its search, its
tokens, and the time for which it keeps a store awake that would sleep without it. *Share* is the
month of the declared traffic divided by its answers, idle time and watching included: 1,000 times
the share is what ``footprint`` says of 1,000 answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sustainability.deployment.function_sizes import ANSWER_MEMORY_MIB
from sustainability.deployment.schema import Deployment, Store
from sustainability.energy.bedrock import bedrock_tokens, embedded_token
from sustainability.energy.functions import function_second
from sustainability.energy.impact import Impact
from sustainability.energy.instances import instance_hour
from sustainability.energy.site import Site
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.footprint import services
from sustainability.footprint.answers import own_tokens, own_work
from sustainability.footprint.footprint import footprint
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import chosen, profile


def answer_coefficients(deployment: Deployment, plan: ServingPlan) -> dict[str, Any]:
    """Return the coefficients with which the answer function states the footprint of an answer.

    Every range is ``[low, mid, high]``. ``wh`` is energy at the wall, ``gco2e`` the carbon of that
    energy and of making the hardware, ``l`` water in litres and ``usd`` the cost. ``reading``,
    ``writing`` and ``embedding`` are for 1,000 tokens, ``awake`` for a second of a store that rests
    ``rests_after_s`` after a request.
    ``small`` exists if a smaller model is asked before the generator, ``endpoint`` if the plan has
    instances. Where low demand puts them to sleep, an answer adds the time for which it keeps one
    awake: ``awake`` is a second of an idle instance. Otherwise their idle time is part of their
    tokens, as planned.

    Raises
    ------
    FactError
        If a model or the Region has no row in ``sustainability/facts/data``.
    """
    facts, accounting = Facts(), deployment.footprint.accounting
    generator, embedding = deployment.answers.generator, deployment.knowledge.embedding.model
    here = Site.of_region(deployment.region, accounting, facts)
    generating = Site.of_model(generator, deployment.region, accounting, facts)
    of_store = profile(deployment).units(deployment, here)
    request = (
        function_second(ANSWER_MEMORY_MIB, here) * facts("workload/answer_seconds", "s")
        + services.called(services.PER_QUESTION, here)
        + services.carried(here)
        + services.logged(deployment, here)
    )
    coefficients: dict[str, Any] = {
        "bedrock": _on_bedrock(generator, generating),
        "embedding": _taken(
            embedded_token(
                embedding, Site.of_model(embedding, deployment.region, accounting, facts)
            )
            * 1000
        ),
        "request": _taken(request),
        "search": _taken(
            of_store.get("searches", Impact())
            + services.called(services.per_searched(deployment), here)
        ),
        "awake": _taken(
            of_store.get("search_unit_hours", Impact())
            * facts("workload/search_ocus", "OCU")
            * (1 / 3600)
        ),
        "rests_after_s": rests_after_s(deployment, facts),
        "share": share(deployment, plan),
    }
    if (small := SmallFirst.of(deployment, facts).model) is not None:
        there = Site.of_model(small, deployment.region, accounting, facts)
        coefficients["small"] = _on_bedrock(small, there)
    if plan.instance_type is not None:
        tokens = own_tokens if plan.sleep is None else own_work
        coefficients["endpoint"] = {
            "reading": _taken(tokens(plan, here, input_tokens=1000, output_tokens=0)),
            "writing": _taken(tokens(plan, here, input_tokens=0, output_tokens=1000)),
        }
        if plan.sleep is not None:
            coefficients["endpoint"] |= {
                "awake": _taken(instance_hour(plan.instance_type, here) * (1 / 3600)),
                "rests_after_s": plan.sleep.period_s * plan.sleep.datapoints,
            }
    return coefficients


def _on_bedrock(model: str, site: Site) -> dict[str, Any]:
    """Return what 1,000 tokens take that a model reads, and that it writes."""
    return {
        "reading": _taken(bedrock_tokens(model, input_tokens=1000, output_tokens=0, site=site)),
        "writing": _taken(bedrock_tokens(model, input_tokens=0, output_tokens=1000, site=site)),
    }


def per_quantity(coefficients: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return the coefficients by the quantities that the hourly footprint record counts.

    Each is three numbers of Wh and three of gCO2e, with four digits, which an environment holds.
    """
    generators = {
        f"{kind}_{part}": taken
        for kind in ("bedrock", "small", "endpoint")
        for part, taken in coefficients.get(kind, {}).items()
        if part != "rests_after_s"
    }
    alone = {name: coefficients[name] for name in ("request", "search", "awake", "embedding")}
    return {
        name: [float(f"{end:.4g}") for end in (*taken["wh"], *taken["gco2e"])]
        for name, taken in (generators | alone).items()
        if any(taken["wh"])
    }


def rests_after_s(deployment: Deployment, facts: Facts) -> float:
    """Return after how many seconds without a request the store rests; 0 if it never does."""
    if chosen(deployment) is not Store.SERVERLESS:
        return 0.0
    return facts("workload/store_tail", "s").mid


def share(deployment: Deployment, plan: ServingPlan) -> dict[str, Any]:
    """Return the share of one answer of a month of the declared traffic, as ranges by name.

    Without traffic there is nothing to divide by: only ``answers_per_month`` is stated.
    """
    month = footprint(deployment, plan)
    found: dict[str, Any] = {"answers_per_month": round(month.answers_per_month, 1)}
    if month.per_1000_answers is None:
        return found
    one = month.per_1000_answers * (1 / 1000)
    return found | {
        name: dict(zip(("low", "mid", "high"), _rounded(estimate.as_list()), strict=True))
        for name, estimate in (
            ("energy_wh", one.kwh * 1000),
            ("carbon_gco2e", one.carbon_g),
            ("water_l", one.litres),
            ("cost_usd", one.usd),
        )
    }


def _taken(impact: Impact) -> dict[str, list[float]]:
    return {
        "wh": _rounded((impact.kwh * 1000).as_list()),
        "gco2e": _rounded(impact.carbon_g.as_list()),
        "l": _rounded(impact.litres.as_list()),
        "usd": _rounded(impact.usd.as_list()),
    }


def _rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
