"""The footprint of one unit of each quantity that can be measured.

The estimate before deployment multiplies these coefficients by what a deployment declares. The
hourly function in ``lambdas/operations`` multiplies them by what CloudWatch measured. Both use the
functions of :mod:`sustainability.energy`, so that estimate and measurement can be compared.
"""

from __future__ import annotations

from sustainability.deployment.function_sizes import ANSWER_MEMORY_MIB, INGEST_MEMORY_MIB
from sustainability.deployment.schema import Deployment
from sustainability.energy.bedrock import bedrock_tokens, embedded_token
from sustainability.energy.demand import Demand
from sustainability.energy.functions import function_second, invocation, waiting_hour
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.instances import busy_hour, instance_hour
from sustainability.energy.site import Site
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.footprint import services
from sustainability.footprint.recording import record_hour
from sustainability.footprint.watching import Watch
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import profile

Coefficients = dict[str, Impact]
"""By quantity. ``hours`` covers what exists without questions and is not measured."""

_DIGITS = (3, 4, 3)
"""Of the ends and the middle of a range. More would not fit into a function's environment."""

_NOBODY = Demand(0, 0, 0, 0, 0, 0, 0, 0, 0)


def coefficients(
    deployment: Deployment, plan: ServingPlan, facts: Facts | None = None
) -> Coefficients:
    """Return the impact of one unit of each quantity that ``deployment`` may use.

    Raises
    ------
    FactError
        If a number has no row in ``sustainability/facts/data``.
    """
    facts = facts or Facts()
    accounting, region = deployment.footprint.accounting, deployment.region
    generator, embedding = deployment.answers.generator, deployment.knowledge.embedding.model
    site = Site.of_region(region, accounting, facts)
    generating = Site.of_model(generator, region, accounting, facts)
    watch = Watch(deployment, plan, site)
    batch = plan.in_batches(Demand.of(deployment, facts).generated)
    found = {
        "hours": _standing(deployment, watch),
        "active_hours": watch.asked_hour()
        + watch.record_awake_hour()
        + waiting_hour(ANSWER_MEMORY_MIB, site),
        "ingest_hours": watch.ingest_hour() + waiting_hour(INGEST_MEMORY_MIB, site),
        "questions": services.called(services.PER_QUESTION, site)
        + services.carried(site)
        + services.logged(deployment, site),
        "searches": services.called(services.per_searched(deployment), site),
        "documents": services.of_document(deployment, site),
        "answer_seconds": function_second(ANSWER_MEMORY_MIB, site),
        "ingest_seconds": function_second(INGEST_MEMORY_MIB, site),
        "invocations": invocation(site),
        "input_tokens": bedrock_tokens(
            generator, input_tokens=1, output_tokens=0, site=generating, batch=batch
        ),
        "output_tokens": bedrock_tokens(
            generator, input_tokens=0, output_tokens=1, site=generating, batch=batch
        ),
        "embedding_tokens": embedded_token(
            embedding, Site.of_model(embedding, region, accounting, facts)
        ),
    }
    if (small := SmallFirst.of(deployment, facts).model) is not None:
        there = Site.of_model(small, region, accounting, facts)
        for quantity, read, written in (
            ("small_input_tokens", 1, 0),
            ("small_output_tokens", 0, 1),
        ):
            found[quantity] = bedrock_tokens(
                small, input_tokens=read, output_tokens=written, site=there
            )
    for quantity, impact in profile(deployment).units(deployment, site).items():
        found[quantity] = found.get(quantity, Impact()) + impact
    if plan.instance_type is not None:
        found["instance_hours"] = instance_hour(plan.instance_type, site)
        found["busy_hours"] = busy_hour(plan.instance_type, site)
        found["awake_hours"] = watch.accelerator_hour()
    return found


def _standing(deployment: Deployment, watch: Watch) -> Impact:
    """Return the footprint per hour of stored bytes, queue polls, alarms and the hourly function.

    What can be on or off, such as nodes and instances, is measured instead.
    """
    site = watch.site
    monthly = (
        services.storage(deployment, site).idle
        + services.requests(deployment, _NOBODY, site).idle
        + watch.standing()
        + profile(deployment).standing(deployment, site)
    )
    return monthly * (1 / HOURS_PER_MONTH) + record_hour(watch)


def litres_per_kwh(deployment: Deployment, facts: Facts | None = None) -> dict[str, list[float]]:
    """Return the water for each kWh at the wall, by quantity; ``""`` is for all others.

    Water is in proportion to the energy of a site. So one range for each site stands in for a
    measure of each quantity, for which a function's environment has no room.
    """
    facts, region = facts or Facts(), deployment.region
    accounting = deployment.footprint.accounting

    def of(site: Site) -> list[float]:
        ends = (site.litres_per_kwh * site.pue.inverse()).as_list()
        return [float(f"{end:.{digits}g}") for end, digits in zip(ends, _DIGITS, strict=True)]

    found = {"": of(Site.of_region(region, accounting, facts))}
    for model, quantities in (
        (deployment.answers.generator, ("input_tokens", "output_tokens")),
        (
            SmallFirst.of(deployment, facts).model,
            ("small_input_tokens", "small_output_tokens"),
        ),
        (deployment.knowledge.embedding.model, ("embedding_tokens",)),
    ):
        if model is None:
            continue
        there = of(Site.of_model(model, region, accounting, facts))
        found |= dict.fromkeys(quantities, there) if there != found[""] else {}
    return found


def packed(coefficients: Coefficients) -> dict[str, list[list[float]]]:
    """Return the coefficients for the environment of a function, which holds 4 kB.

    By quantity, a range for each of kWh, operational and embodied gCO2e, and USD; empty for zero.
    """
    measures = ("kwh", "operational_g", "embodied_g", "usd")
    return {
        quantity: [taken.get(measure, []) for measure in measures]
        for quantity, taken in as_json(coefficients).items()
    }


def as_json(coefficients: Coefficients) -> dict[str, dict[str, list[float]]]:
    """Return the coefficients as ranges by quantity and measure, without zeros and water."""
    return {
        quantity: {
            measure: [
                float(f"{value:.{digits}g}")
                for value, digits in zip(estimate.as_list(), _DIGITS, strict=True)
            ]
            for measure, estimate in vars(impact).items()
            if estimate.high and measure != "litres"  # see litres_per_kwh
        }
        for quantity, impact in coefficients.items()
    }
