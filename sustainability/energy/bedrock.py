"""The footprint of tokens on Bedrock: input, output and embeddings."""

from __future__ import annotations

from sustainability.deployment.schema import EXTRACTIVE, Deployment
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.energy.tokens import embodied_of_reading, generation, prefill
from sustainability.facts.lookup import FactError, Facts
from sustainability.facts.ranges import Estimate
from sustainability.offers.bedrock import ModelName

_PARAMETERS = "billion parameters"
_PRICE = "USD/million tokens"


def require_facts(deployment: Deployment, facts: Facts) -> None:
    """Check that all numbers for the Bedrock models of the deployment exist.

    Raises
    ------
    FactError
        Names every missing row, so that you can add a new model in one step.
    """
    embedding, generator = deployment.knowledge.embedding.model, deployment.answers.generator
    rows = {
        "knowledge.embedding.model": {
            f"models/{ModelName.parse(embedding).model}/active": _PARAMETERS,
            _price(embedding, "input", facts): _PRICE,
        }
    }
    if deployment.answers.generated:
        model = ModelName.parse(generator).model
        rows["answers.generator"] = {
            f"models/{model}/{count}": _PARAMETERS for count in ("active", "total")
        } | {_price(generator, direction, facts): _PRICE for direction in ("input", "output")}
    if (small := deployment.answers.small_first) is not None and small.model is not None:
        model = ModelName.parse(small.model).model
        rows["answers.small_first.model"] = {
            f"models/{model}/{count}": _PARAMETERS for count in ("active", "total")
        } | {_price(small.model, direction, facts): _PRICE for direction in ("input", "output")}
    faults = []
    for key, needed in rows.items():
        try:
            facts.require(needed)
        except FactError as error:
            faults.append(
                f"{deployment.place(key)}: size or price of this model is missing\n{error}"
            )
    if faults:
        raise FactError("\n".join(faults))


def bedrock_tokens(
    model: str, *, input_tokens: float, output_tokens: float, site: Site, batch: bool = False
) -> Impact:
    """Return the footprint of input and output tokens on Bedrock.

    Parameters
    ----------
    model
        Bedrock model or inference profile.
    input_tokens, output_tokens
        Number of tokens.
    site
        The place of the computers.
    batch
        Whether a batch job generates them, at a lower price, instead of on-demand calls.

    Raises
    ------
    FactError
        If the model has no size or price in ``sustainability/facts/data``.
    """
    if model == EXTRACTIVE:
        return Impact()
    tokens = generation(ModelName.parse(model).model, site.facts)
    usd = token_price(model, "input", site.facts) * (input_tokens / 1e6) + (
        token_price(model, "output", site.facts) * (output_tokens / 1e6)
    )
    return site.impact(
        (tokens.wh_per_1k_input * input_tokens + tokens.wh_per_1k_output * output_tokens) / 1e6,
        embodied_g=tokens.embodied_g_per_1k_input * (input_tokens / 1000)
        + tokens.embodied_g_per_1k_output * (output_tokens / 1000),
        usd=usd * site.facts("prices/bedrock/batch", "ratio") if batch else usd,
    )


def token_price(model: str, direction: str, facts: Facts) -> Estimate:
    """Return USD per million tokens of a model or inference profile."""
    return facts(_price(model, direction, facts), _PRICE)


def _price(model: str, direction: str, facts: Facts) -> str:
    parsed = ModelName.parse(model)
    prefix = {None: "", "global": "global."}.get(parsed.scope, "regional.")
    name = prefix + parsed.model
    if not facts.has(f"bedrock_prices/{name}/{direction}"):
        name = parsed.model
    return f"bedrock_prices/{name}/{direction}"


def embedded_token(model: str, site: Site) -> Impact:
    """Return the footprint of one input token of an embedding model."""
    name = ModelName.parse(model).model
    return site.impact(
        prefill(name, site.facts) / 1e6,
        embodied_g=embodied_of_reading(name, site.facts) / 1000,
        usd=token_price(model, "input", site.facts) / 1e6,
    )
