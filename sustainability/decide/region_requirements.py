"""Checks before synth: the Region keeps the limits of the file, and offers what the plan needs.

A refusal proposes only changes that pass every check: to follow it never leads to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sustainability.decide.region_ranking import carbon_of_computing
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import IN_REGION, ModelName, access
from sustainability.offers.names import check_names, smallest_first
from sustainability.offers.region_map import place, places
from sustainability.offers.region_services import INFERENCE_COMPONENT, has_resource, hosting_types
from sustainability.offers.serving_images import ImageError, base_image, own_image
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.plan.situation import NoHostError

BUILT_IMAGES = ("codebuild", "docker")
"""Values of ``inference.image`` that build the serving image; anything else is a URI."""
_PROPOSED = 5
"""Regions that a refusal names."""


class RegionError(UserError):
    """The Region breaks a limit of the file, or lacks what the plan needs. Proposes others."""


def checked_plan(deployment: Deployment) -> ServingPlan:
    """Return the serving plan of a deployment that can be deployed as it is.

    Raises
    ------
    RegionError
        Names the limit or what is missing, and what to change: Regions that keep every limit and
        offer everything, the one with the lowest carbon first.
    UserError
        If there is no plan at all, whatever the Region.
    """
    check_names(deployment)
    obstacle = _broken_limit(deployment)
    if obstacle is None:
        try:
            plan = plan_serving(deployment)
        except NoHostError as error:
            raise RegionError(f"{error}; {_cure(deployment)}") from error
        check_offers(deployment, plan)
        return plan
    raise RegionError(f"{deployment.place('region')}: {obstacle}; {_cure(deployment)}")


def check_offers(deployment: Deployment, plan: ServingPlan) -> None:
    """Refuse a Region that does not offer what the plan needs.

    Raises
    ------
    RegionError
        As of :func:`checked_plan`.
    ImageError
        If there is no serving image for the Region.
    """
    for key, obstacle in _missing(deployment, plan):
        raise RegionError(f"{deployment.place(key)}: {obstacle}; {_cure(deployment)}")
    if plan.instance_type is not None:
        image = deployment.inference.image
        try:
            if image in BUILT_IMAGES:
                base_image(deployment.region)
            else:
                own_image(image, deployment.region)
        except ImageError as error:
            raise ImageError(f"{deployment.place('inference.image')}: {error}") from error


def has_components(region: str) -> bool:
    """Return whether endpoints in ``region`` can have inference components and scale to zero."""
    return has_resource(region, INFERENCE_COMPONENT) is True


def _broken_limit(deployment: Deployment) -> str | None:
    region, limits = deployment.region, deployment.footprint
    if limits.within is not None and not place(region).within(limits.within):
        return f"{region} is outside footprint.within: {limits.within}"
    carbon = carbon_of_computing(region, limits.accounting, Facts()).mid
    if limits.ceiling_gco2e_per_kwh is not None and carbon > limits.ceiling_gco2e_per_kwh:
        return (
            f"{region} has {carbon:.0f} gCO2e per kWh of computing, above "
            f"footprint.ceiling_gco2e_per_kwh: {limits.ceiling_gco2e_per_kwh:g}"
        )
    return None


def _missing(deployment: Deployment, plan: ServingPlan) -> Iterator[tuple[str, str]]:
    """Yield the key that needs it, and what the Region does not offer."""
    region = deployment.region
    models = {"knowledge.embedding.model": deployment.knowledge.embedding.model}
    if deployment.answers.generated and (plan.instance_type is None or plan.mode is Mode.BRIDGED):
        models["answers.generator"] = deployment.answers.generator
    for key, model in models.items():
        name = ModelName.parse(model)
        if (name.scope or IN_REGION).upper() not in access(name.model, region):
            yield key, f"Bedrock does not offer {model} in {region}"
    if plan.instance_type is not None and plan.instance_type not in hosting_types(region):
        yield "region", f"SageMaker endpoints in {region} do not offer {plan.instance_type}"
    elif plan.mode is Mode.BRIDGED and not has_components(region):
        yield (
            "region",
            f"CloudFormation has no inference components in {region}, so endpoints cannot scale "
            "to zero",
        )


def passes(deployment: Deployment) -> bool:
    """Return whether :func:`checked_plan` would return a plan, sooner than it would refuse."""
    return possible_plan(deployment) is not None


def possible_plan(deployment: Deployment) -> ServingPlan | None:
    """Return what :func:`checked_plan` would return; ``None`` where it would refuse."""
    embedding = ModelName.parse(deployment.knowledge.embedding.model)
    ways = access(embedding.model, deployment.region)
    if (embedding.scope or IN_REGION).upper() not in ways or _broken_limit(deployment):
        return None  # told without a plan, which takes longer
    try:
        plan = plan_serving(deployment)
    except UserError:
        return None
    return None if any(_missing(deployment, plan)) else plan


def _regions(deployment: Deployment) -> list[str]:
    """Return Regions in which everything passes, the one with the lowest carbon first."""
    facts, accounting = Facts(), deployment.footprint.accounting
    ordered = sorted(
        places(), key=lambda region: carbon_of_computing(region, accounting, facts).mid
    )
    passing = (name for name in ordered if passes(_with(deployment, region=name)))
    return list(islice(passing, _PROPOSED))


def _cure(deployment: Deployment) -> str:
    cures = [f"write {key}: {model}" for key, model in _profiles(deployment)]
    regions = _regions(deployment)
    if regions:
        cures.append(f"choose one of {', '.join(regions)}")
    return ", or ".join(cures) or _relaxed(deployment)


def _profiles(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Yield inference profiles that offer a model here, and keep requests where they may be."""
    for section, field, inner in (
        ("answers", "generator", None),
        ("knowledge", "model", "embedding"),
    ):
        holder = getattr(deployment, section)
        holder = getattr(holder, inner) if inner else holder
        name = ModelName.parse(getattr(holder, field))
        for way in sorted(access(name.model, deployment.region) - {IN_REGION}):
            if deployment.footprint.within not in (None, way):
                continue
            model = f"{way.lower()}.{name.model}"
            changed = holder.model_copy(update={field: model})
            if inner:
                changed = getattr(deployment, section).model_copy(update={inner: changed})
            if passes(_with(deployment, **{section: changed})):
                key = ".".join(part for part in (section, inner, field) if part)
                yield key, model


def _relaxed(deployment: Deployment) -> str:
    """Return which limit or generator to change, if no Region meets all."""
    limits, found = deployment.footprint, []
    for name in ("ceiling_gco2e_per_kwh", "within"):
        if getattr(limits, name) is None:
            continue
        without = _with(deployment, footprint=limits.model_copy(update={name: None}))
        if regions := _regions(without):
            value = "another value"
            if name == "ceiling_gco2e_per_kwh":
                carbon = carbon_of_computing(regions[0], limits.accounting, Facts()).mid
                value = f"{math.ceil(carbon)} or more"
            found.append(f"with footprint.{name}: {value}, choose {regions[0]}")
    for model in smallest_first():
        answers = deployment.answers.model_copy(update={"generator": model})
        if regions := _regions(_with(deployment, answers=answers)):
            found.append(f"with answers.generator: {model}, choose {regions[0]}")
            break
    return "no Region meets all limits of the file" + "".join(f"; {cure}" for cure in found)


def _with(deployment: Deployment, **changes: Any) -> Deployment:
    return deployment.model_copy(update=changes)
