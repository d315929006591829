"""The instances that are compared with Bedrock, and the highest load of each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from sustainability.decide.break_even_curves import Offer
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts, load_facts
from sustainability.offers.endpoint_models import InferenceModel
from sustainability.plan.capacity import Capacity

_OFFER = re.compile(r"(?P<type>ml\.[a-z0-9-]+\.[a-z0-9]+)=(?P<rate>\d+(?:\.\d+)?)")
_SECONDS_PER_HOUR = 3600


def offers(deployment: Deployment, stated: Sequence[str]) -> list[Offer]:
    """Return the ``stated`` instances, such as ``ml.inf2.xlarge=4000``, or the known ones.

    Known are the first Inferentia2 type with enough memory for the deployment's model, and the GPU
    types in ``sustainability/facts/data/throughput.csv`` with the mean answer of the deployment.

    Raises
    ------
    UserError
        If an entry of ``stated`` does not have the form ``TYPE=REQUESTS``.
    """
    if stated:
        return [_parse(text) for text in stated]
    return [*_inferentia2(deployment), *_gpus(deployment)]


def _inferentia2(deployment: Deployment) -> Iterator[Offer]:
    facts, inference, traffic = Facts(), deployment.inference, deployment.traffic
    model = InferenceModel.named(inference.model, facts)
    copy = Capacity(
        model=model,
        input_tokens=traffic.input_tokens,
        output_tokens=traffic.output_tokens,
        max_tokens=deployment.answers.max_tokens,
        limit=math.inf,
        arrival_variation=1,
    )
    for name in inference.instance_types:
        copies = model.copies_per_instance(name, facts, inference_components=True)
        if copies:
            yield Offer(name, copies * copy.full_rate * _SECONDS_PER_HOUR)
            return


def _gpus(deployment: Deployment) -> Iterator[Offer]:
    facts, length = Facts(), deployment.answer_tokens.mean
    for name in load_facts("throughput"):
        tokens = facts(f"throughput/{name}", "output tokens/s").mid
        yield Offer(name, tokens / length * _SECONDS_PER_HOUR)


def _parse(text: str) -> Offer:
    match = _OFFER.fullmatch(text)
    if match is None or float(match["rate"]) == 0:
        raise UserError(f"--instance {text!r}: write TYPE=REQUESTS, such as ml.inf2.xlarge=4000")
    return Offer(match["type"], float(match["rate"]))
