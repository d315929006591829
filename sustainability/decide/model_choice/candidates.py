"""Candidates: a generator with a prompt and inference parameters, and its footprint."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from sustainability.deployment.prompts import Prompt
from sustainability.deployment.schema import ANSWER_TOKENS, EXTRACTIVE, Answers, Deployment, Detail
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.impact import Impact
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.footprint.answers import own_tokens
from sustainability.plan.serving import plan_serving


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """What the generator reads, and how long its answer is; ``None`` is as deployed."""

    passages: int | None = None
    context_tokens: int | None = None
    evidence_share: float | None = None
    detail: str | None = None

    @property
    def stated(self) -> dict[str, Any]:
        """The dimensions that differ from the deployment, by their keys in ``answers``."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to answer. ``temperature`` is ``None`` if the candidate does not sample."""

    model: str
    prompt: Prompt
    temperature: float | None
    max_tokens: int
    dimensions: Dimensions = Dimensions()

    def describe(self) -> dict[str, Any]:
        """Return the properties of this candidate as plain data."""
        return {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **self.dimensions.stated,
            "prompt": self.prompt.name,
            "prompt_fingerprint": self.prompt.fingerprint,
        }

    def impact(self, deployment: Deployment, tokens: tuple[float, float]) -> Impact:
        """Return the footprint of generating 1,000 answers.

        Uses the coefficients and prices of the footprint in the Region of the deployment.
        Embedding, search and Lambda functions are the same for each candidate and not included.
        The model of the deployment's own endpoint carries its share of the idle time, as planned.

        Parameters
        ----------
        deployment
            Gives the Region and the carbon accounting.
        tokens
            Mean input and output tokens of an answer.

        Raises
        ------
        FactError
            If the model has no parameter counts or no price.
        """
        if self.model == EXTRACTIVE:
            return Impact()
        facts = Facts()
        accounting = deployment.footprint.accounting
        if self.model == deployment.inference.model:
            return own_tokens(
                plan_serving(deployment),
                Site.of_region(deployment.region, accounting, facts),
                input_tokens=1000 * tokens[0],
                output_tokens=1000 * tokens[1],
            )
        site = Site.of_model(self.model, deployment.region, accounting, facts)
        reading, writing = tokens
        return bedrock_tokens(
            self.model, input_tokens=1000 * reading, output_tokens=1000 * writing, site=site
        )

    def expected(self, deployment: Deployment) -> Impact:
        """Return the footprint of 1,000 answers with the token counts of the deployment."""
        traffic = deployment.traffic
        written = traffic.output_tokens.mean
        if self.dimensions.detail is not None:
            written, _ = ANSWER_TOKENS[Detail(self.dimensions.detail)]
        writing = min(written, self.max_tokens)
        return self.impact(deployment, (traffic.input_tokens.mean, writing))


def candidates(
    deployment: Deployment,
    *,
    models: Sequence[str],
    prompts: Sequence[Prompt],
    temperatures: Sequence[float],
    max_tokens: Sequence[int],
    dimensions: Sequence[Dimensions] = (Dimensions(),),
) -> list[Candidate]:
    """Return every combination, the one with the least energy first.

    Candidates with equal energy are ordered by cost, then by how much they may read, then by the
    order of ``models``.

    Raises
    ------
    FactError
        If a model has no parameter counts or no price.
    UserError
        If an inference parameter is out of its range.
    """
    for temperature, most, asked in itertools.product(temperatures, max_tokens, dimensions):
        try:
            Answers(temperature=temperature, max_tokens=most, **asked.stated)
        except ValidationError as error:
            faults = (f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            raise UserError("\n".join(faults)) from error
    found = dict.fromkeys(
        Candidate(
            model=model, prompt=prompt, temperature=temperature, max_tokens=most, dimensions=asked
        )
        for model, prompt, temperature, most, asked in itertools.product(
            models, prompts, temperatures, max_tokens, dimensions
        )
        if model != EXTRACTIVE
    )
    if EXTRACTIVE in models:  # prompt and temperature do not change the quotation
        quoting = [
            Candidate(
                model=EXTRACTIVE,
                prompt=prompts[0],
                temperature=None,
                max_tokens=most,
                dimensions=asked,
            )
            for most, asked in itertools.product(max_tokens, dimensions)
        ]
        found = dict.fromkeys([*quoting, *found])

    answers = deployment.answers

    def size(candidate: Candidate) -> tuple[float, ...]:
        impact = candidate.expected(deployment)
        reads = answers.model_copy(update=candidate.dimensions.stated)
        read = reads.passages, reads.context_tokens, -reads.evidence_share
        return impact.kwh.mid, impact.usd.mid, *read

    return sorted(found, key=size)


def within(
    found: Sequence[Candidate],
    deployment: Deployment,
    *,
    questions: int,
    budget_usd: float,
    seed: int,
) -> list[Candidate]:
    """Return candidates that all questions can be asked of for the budget, in their order.

    They are drawn at random, the same for the same seed, by their cost with the token counts that
    the deployment declares. The first one, which takes the least energy, is always kept.
    """
    first, *others = found
    kept, left = {first}, budget_usd - _usd(first, deployment, questions)
    for candidate in random.Random(seed).sample(others, len(others)):
        if (cost := _usd(candidate, deployment, questions)) <= left:
            kept.add(candidate)
            left -= cost
    return [candidate for candidate in found if candidate in kept]


def _usd(candidate: Candidate, deployment: Deployment, questions: int) -> float:
    return candidate.expected(deployment).usd.mid * questions / 1000
