"""What keeps a deployment out of a Region: limits of its file, and what the Region lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sustainability.deployment.schema import Deployment
from sustainability.energy.site import carbon_of_computing
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import IN_REGION, ModelName, access
from sustainability.offers.region_map import place
from sustainability.offers.region_services import (
    INFERENCE_COMPONENT,
    has_inferentia2,
    has_resource,
    hosting_types,
)
from sustainability.plan.serving_plan import Mode, ServingPlan
from sustainability.stores.kinds import profile


@dataclass(frozen=True)
class Obstacle:
    """One reason against the Region that a deployment names."""

    key: str
    """The key of the deployment file that asks for it."""
    short: str
    """For a table: ``outside EU``."""
    text: str
    """For an error, as the beginning of a sentence."""


def broken_limits(deployment: Deployment) -> Iterator[Obstacle]:
    """Yield the limits of the file that its Region breaks."""
    region, limits = deployment.region, deployment.footprint
    if limits.within is not None and not place(region).within(limits.within):
        yield Obstacle(
            "region",
            f"outside {limits.within}",
            f"{region} is outside footprint.within: {limits.within}",
        )
    ceiling = limits.ceiling_gco2e_per_kwh
    carbon = carbon_of_computing(region, limits.accounting, Facts()).mid
    if ceiling is not None and carbon > ceiling:
        yield Obstacle(
            "region",
            f"above {ceiling:.0f} g/kWh",
            f"{region} has {carbon:.0f} gCO2e per kWh of computing, above "
            f"footprint.ceiling_gco2e_per_kwh: {ceiling:g}",
        )


def missing(deployment: Deployment, plan: ServingPlan) -> Iterator[Obstacle]:
    """Yield what the plan needs and the Region does not offer."""
    region = deployment.region
    models = {"knowledge.embedding.model": deployment.knowledge.embedding.model}
    if deployment.answers.generated and (plan.instance_type is None or plan.mode is Mode.BRIDGED):
        models["answers.generator"] = deployment.answers.generator
    for key, model in models.items():
        name = ModelName.parse(model)
        if (name.scope or IN_REGION).upper() not in access(name.model, region):
            yield Obstacle(key, f"no {model}", f"Bedrock does not offer {model} in {region}")
    store = profile(deployment)
    if has_resource(region, store.resource) is False:
        text = f"CloudFormation has no {store.service} in {region}"
        yield Obstacle("knowledge.store", f"no {store.service}", text)
    if plan.instance_type is not None and plan.instance_type not in hosting_types(region):
        yield Obstacle(
            "region",
            f"no {plan.instance_type}" if has_inferentia2(region) else "no Inferentia2",
            f"SageMaker endpoints in {region} do not offer {plan.instance_type}",
        )
    elif plan.mode is Mode.BRIDGED and has_resource(region, INFERENCE_COMPONENT) is not True:
        yield Obstacle(
            "region",
            "no inference components",
            f"CloudFormation has no inference components in {region}, so endpoints cannot scale "
            "to zero",
        )
