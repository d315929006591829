"""Names in a deployment file that the schema cannot know: Regions, models, instance types."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.errors import choose
from sustainability.facts.lookup import Facts, load_facts
from sustainability.offers.bedrock import ModelName, is_offered
from sustainability.offers.endpoint_models import model_names
from sustainability.offers.region_map import areas, places


def check_names(deployment: Deployment) -> None:
    """Refuse names that nothing has.

    Raises
    ------
    DeploymentError
        Has one line for each such name: ``file:line: key``, and what may have been meant.
    """
    faults = [
        f"{deployment.place(key)}: {name} is not {what}; {choose(name, sorted(known))}"
        for key, name, what, known in _names(deployment)
        if name not in known
    ]
    if faults:
        raise DeploymentError("\n".join(faults))


def _names(deployment: Deployment) -> Iterator[tuple[str, str, str, Collection[str]]]:
    """Yield key, name, what it should be, and the known names."""
    yield "region", deployment.region, "a known Region", places()
    for number, name in enumerate(deployment.rules.allowed_regions):
        yield f"rules.allowed_regions.{number}", name, "a known Region", places()
    if (area := deployment.footprint.within) is not None:
        yield "footprint.within", area.upper(), "a known area or country", areas()
    generator = ModelName.parse(deployment.answers.generator).model
    if deployment.answers.generated and not is_offered(generator):
        yield "answers.generator", generator, "a known Bedrock model", generators()
    if (small := deployment.answers.small_first) is not None and small.model is not None:
        name = ModelName.parse(small.model).model
        if not is_offered(name):
            yield "answers.small_first.model", name, "a known Bedrock model", generators()
    yield "inference.model", deployment.inference.model, "a compiled model", model_names()
    for number, name in enumerate(deployment.inference.instance_types):
        key = f"inference.instance_types.{number}"
        yield key, name, "an instance type with Inferentia2", instance_types()


def generators() -> frozenset[str]:
    """Return the Bedrock models with known size and price: a plan can use them."""
    priced = {
        key.removesuffix("/output").removeprefix("regional.").removeprefix("global.")
        for key in load_facts("bedrock_prices")
    }
    return frozenset(
        name
        for key in load_facts("models")
        if (name := key.removesuffix("/total")) != key and name in priced
    )


def smallest_first() -> list[str]:
    """Return the models of :func:`generators`, by their active parameters."""
    facts = Facts()

    def size(name: str) -> tuple[float, str]:
        return facts(f"models/{name}/active", "billion parameters").mid, name

    return sorted(generators(), key=size)


def instance_types() -> frozenset[str]:
    """Return the instance types for an endpoint that can run a compiled model."""
    return frozenset(
        key.removesuffix("/memory")
        for key in load_facts("instances")
        if key.startswith("ml.inf2.") and key.endswith("/memory")
    )
