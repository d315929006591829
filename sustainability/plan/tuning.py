"""The pipeline that tunes a generator: where it runs, and what its parts are called."""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Deployment, Training
from sustainability.energy import power
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.offers.serving_images import EcrImage
from sustainability.offers.training import SILICON, regions_with
from sustainability.plan.serving_plan import ServingPlan

EXAMPLES, GOLDEN, BASE = "examples/", "golden/", "base/"
"""Prefixes of the data: what to learn from, what to judge by, and the weights to tune."""
READY = "ready"
"""The object that tells that the data is complete."""
COMPILED = "compile/"
"""Prefix of the models that an endpoint reads."""
PASSING = {"prepare/": 40, "tune/": 40, "evaluate/": 40, "checkpoints/": 2}
"""Days after which what a run leaves on its way expires, by prefix.

Results of a step are read again for 30 days (``CacheConfig`` of the pipeline), so they last longer.
A checkpoint is read only while its run may still go on, half a day.
"""
EXPIRES = ("expires", "yes")
"""Tag of the objects of a model that was rejected, or that another one replaced."""
EXPIRES_AFTER_DAYS = 40
CPU_INSTANCE = "ml.m7i.large"
"""For the data checks and the gate: no accelerator, no large memory."""

_ACCOUNTS = {"eu-south-2": "503227376785"}
_ACCOUNT = "763104351884"
"""Accounts of AWS with the training images, by Region, and in all others that have Inferentia2."""
_GPU = (
    "huggingface-pytorch-training",
    ":2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04",
)
_NEURON = (
    "huggingface-pytorch-training-neuronx",
    ":2.8.0-transformers4.55.4-neuronx-py310-sdk2.26.0-ubuntu22.04",
)


@dataclass(frozen=True)
class Tuning:
    """Where and with what a deployment tunes its generator."""

    instance_type: str
    image: EcrImage
    watts: float
    """What the instance draws while it trains, for where nothing measures."""
    grams_per_kwh: float
    """Of the Region's grid, for a kWh of the instance: the building's share is in it."""


def tuning(deployment: Deployment, plan: ServingPlan) -> Tuning | None:
    """Return how a deployment tunes; None where it does not ask for it.

    Raises
    ------
    UserError
        If nothing could serve the result, or the Region has no such instances.
    """
    wish = deployment.training
    if wish is None:
        return None
    if plan.model is None:
        raise UserError(
            f"{deployment.place('customization.training')}: a tuned model needs an endpoint, and "
            "this deployment answers with Amazon Bedrock; set inference.bedrock to "
            "never, or remove the section"
        )
    kind = _instance_type(deployment, wish)
    repository, tag = _NEURON if kind.startswith("ml.trn") else _GPU
    facts = Facts()
    site = Site.of_region(deployment.region, deployment.footprint.accounting, facts)
    return Tuning(
        kind,
        EcrImage(_ACCOUNTS.get(deployment.region, _ACCOUNT), deployment.region, repository, tag),
        round(power.accelerated(kind, facts).busy.watts.mid),
        round((site.gco2e_per_kwh * site.pue).mid),
    )


def training_bucket(deployment: Deployment, account: str) -> str:
    """Return the name of the bucket for data and models of a deployment in an AWS account."""
    return f"{deployment.name}-training-{account}-{deployment.region}"


def pipeline_name(deployment: Deployment) -> str:
    """Return the name of the pipeline, and of the group of models that it registers."""
    return f"{deployment.name}-customization"


def model_parameter(deployment: Deployment) -> str:
    """Return the name of the parameter that tells which model the endpoint serves."""
    return f"/{deployment.name}/generator/artifacts"


def _instance_type(deployment: Deployment, wish: Training) -> str:
    place, region = deployment.place("customization.training.instance"), deployment.region
    offered = [kind for kind in SILICON if region in regions_with(kind)]
    if not offered:
        raise UserError(
            f"{place}: {region} has none of {', '.join(SILICON)}; remove customization.training, "
            "and tune in another Region"
        )
    if wish.instance is None:
        return offered[0]
    if wish.instance not in offered:
        raise UserError(f"{place}: {wish.instance} is not one of {', '.join(offered)} ({region})")
    return wish.instance
