"""Checks before synth that AWS offers what the plan needs in the Region."""

from __future__ import annotations

from collections.abc import Callable

from sustainability.decide.region_ranking import RegionError, carbon_of_computing
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import IN_REGION, ModelName, access, regions_of
from sustainability.offers.region_map import places
from sustainability.offers.region_services import INFERENCE_COMPONENT, has_resource, hosting_types
from sustainability.offers.serving_images import base_image, own_image
from sustainability.plan.serving_plan import Mode, ServingPlan

BUILT_IMAGES = ("codebuild", "docker")
"""Values of ``inference.image`` that build the serving image; anything else is a URI."""


def check_offers(deployment: Deployment, plan: ServingPlan) -> None:
    """Refuse a Region that does not offer what the plan needs.

    Raises
    ------
    RegionError
        Names what is missing, and Regions that offer it, the one with the lowest carbon first.
    ImageError
        If there is no serving image for the Region.
    """
    _check_bedrock(deployment, deployment.knowledge.embedding.model)
    on_bedrock = plan.instance_type is None or plan.mode is Mode.BRIDGED
    if on_bedrock and deployment.answers.generated:
        _check_bedrock(deployment, deployment.answers.generator)
    if plan.instance_type is not None:
        _check_hosting(deployment, plan.mode, plan.instance_type)


def has_components(region: str) -> bool:
    """Return whether endpoints in ``region`` can have inference components and scale to zero."""
    return has_resource(region, INFERENCE_COMPONENT) is True


def _check_hosting(deployment: Deployment, mode: Mode, instance_type: str) -> None:
    def hosts(region: str) -> bool:
        return instance_type in hosting_types(region)

    def sleeps(region: str) -> bool:
        return hosts(region) and has_components(region)

    _require(deployment, hosts, f"SageMaker endpoints do not offer {instance_type}")
    if mode is Mode.BRIDGED:
        _require(
            deployment,
            sleeps,
            "CloudFormation has no inference components, so endpoints cannot scale to zero",
        )
    image = deployment.inference.image
    if image in BUILT_IMAGES:
        base_image(deployment.region)
    else:
        own_image(image, deployment.region)


def _check_bedrock(deployment: Deployment, model_id: str) -> None:
    name = ModelName.parse(model_id)
    wanted = (name.scope or IN_REGION).upper()
    offered = set(regions_of(name.model, wanted))
    ways = sorted(access(name.model, deployment.region) - {IN_REGION, wanted})
    missing = f"Bedrock does not offer {model_id}"
    if ways:
        missing += f", only {', '.join(f'{way.lower()}.{name.model}' for way in ways)}"
    _require(deployment, lambda region: region in offered, missing)


def _require(deployment: Deployment, offers: Callable[[str], bool], missing: str) -> None:
    if offers(deployment.region):
        return
    facts, accounting = Facts(), deployment.footprint.accounting
    found = sorted(
        filter(offers, places()),
        key=lambda region: carbon_of_computing(region, accounting, facts).mid,
    )
    cure = f"choose one of {', '.join(found[:5])}" if found else "no Region offers it"
    raise RegionError(f"region {deployment.region}: {missing} there; {cure}")
