"""Checks before synth: the Region keeps the limits of the file, and offers what the plan needs.

A refusal proposes only changes that pass every check: to follow it never leads to the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sustainability.decide.region_obstacles import broken_limits, missing
from sustainability.deployment.schema import Deployment
from sustainability.energy.site import carbon_of_computing
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import IN_REGION, ModelName, access
from sustainability.offers.names import check_names, smallest_first
from sustainability.offers.region_map import places
from sustainability.offers.serving_images import ImageError, base_image, own_image
from sustainability.plan.serving import plan_serving
from sustainability.plan.serving_plan import ServingPlan
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
    obstacle = next(broken_limits(deployment), None)
    if obstacle is None:
        try:
            plan = plan_serving(deployment)
        except NoHostError as error:
            raise RegionError(f"{error}; {_cure(deployment)}") from error
        check_offers(deployment, plan)
        return plan
    raise RegionError(f"{deployment.place(obstacle.key)}: {obstacle.text}; {_cure(deployment)}")


def check_offers(deployment: Deployment, plan: ServingPlan) -> None:
    """Refuse a Region that does not offer what the plan needs.

    Raises
    ------
    RegionError
        As of :func:`checked_plan`.
    ImageError
        If there is no serving image for the Region.
    """
    for obstacle in missing(deployment, plan):
        raise RegionError(f"{deployment.place(obstacle.key)}: {obstacle.text}; {_cure(deployment)}")
    if plan.instance_type is not None:
        image = deployment.inference.image
        try:
            if image in BUILT_IMAGES:
                base_image(deployment.region)
            else:
                own_image(image, deployment.region)
        except ImageError as error:
            raise ImageError(f"{deployment.place('inference.image')}: {error}") from error


def passes(deployment: Deployment) -> bool:
    """Return whether :func:`checked_plan` would return a plan, sooner than it would refuse."""
    return possible_plan(deployment) is not None


def possible_plan(deployment: Deployment) -> ServingPlan | None:
    """Return what :func:`checked_plan` would return; ``None`` where it would refuse."""
    embedding = ModelName.parse(deployment.knowledge.embedding.model)
    ways = access(embedding.model, deployment.region)
    if (embedding.scope or IN_REGION).upper() not in ways or any(broken_limits(deployment)):
        return None  # told without a plan, which takes longer
    try:
        plan = plan_serving(deployment)
    except UserError:
        return None
    return None if any(missing(deployment, plan)) else plan


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
