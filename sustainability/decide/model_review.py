"""Which models to try next: those that the Region offers and that are smaller, or newer.

Nothing is asked here. What a trial takes, and after how many answers it is paid back, is an
estimate with the tokens that the deployment declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.region_requirements import passes
from sustainability.deployment.prompts import Prompt
from sustainability.deployment.schema import EXTRACTIVE, Deployment
from sustainability.energy.impact import Impact
from sustainability.energy.verdict import Verdict
from sustainability.facts.lookup import Facts
from sustainability.offers.bedrock import PROFILE_SCOPES, ModelName
from sustainability.offers.lifecycle import Lifecycle
from sustainability.offers.model_cards import ModelCard, model_cards
from sustainability.offers.names import smallest_first


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A generator that could serve the deployment."""

    model: str
    """Model or inference profile, as ``answers.generator`` takes it."""
    active_billion: float
    total_billion: float
    """Parameters that a token uses, and all that are held; middle values."""
    card: ModelCard | None
    lifecycle: Lifecycle | None
    """None if the account was not asked."""
    per_1000: Impact
    """Of generating 1,000 answers with the declared tokens."""
    smaller: Verdict | None
    """Whether it takes less energy than the present generator; None for that itself."""
    is_newer: bool
    """Whether AWS offers it since a later day than the present generator."""

    @property
    def reason(self) -> str:
        """Why to try it; empty if there is no reason."""
        if self.smaller is None:
            return ""
        if not self.smaller.too_close and self.smaller.chance > 0.5:
            return "smaller and newer" if self.is_newer else "smaller"
        return "newer, too close to call" if self.is_newer and self.smaller.too_close else ""


@dataclass(frozen=True, kw_only=True)
class ModelReview:
    """The models in use, and what the Region offers beside them, the least energy first."""

    generator: str
    embedding: str
    in_use: Mapping[str, Lifecycle]
    """Of generator and embedding model, as far as the account was asked."""
    offered: tuple[Offered, ...]
    answers_per_month: float

    @property
    def present(self) -> Offered | None:
        """The generator in use; None if the deployment quotes."""
        return next((each for each in self.offered if each.model == self.generator), None)

    @property
    def to_try(self) -> tuple[Offered, ...]:
        """What to ask the golden questions."""
        return tuple(each for each in self.offered if each.reason)

    def trial(self, questions: int) -> Impact:
        """Return what generating takes if each of them is asked so many questions."""
        return Impact.total(each.per_1000 for each in self.to_try) * (questions / 1000)

    def paid_back_after(self, questions: int) -> float | None:
        """Return the answers after which the least of them has saved what the trial took.

        None if there is nothing to try, or nothing to save.
        """
        if not self.to_try or self.present is None:
            return None
        saved = self.present.per_1000.kwh.mid - self.to_try[0].per_1000.kwh.mid
        return 1000 * self.trial(questions).kwh.mid / saved if saved > 0 else None


def review_models(
    deployment: Deployment, lifecycles: Mapping[str, Lifecycle], prompt: Prompt
) -> ModelReview:
    """Return the review; ``lifecycles`` are those of the Region, or empty.

    Raises
    ------
    FactError
        If the present generator has no size or price.
    """
    facts = Facts()
    generator = deployment.answers.generator
    embedding = deployment.knowledge.embedding.model

    def per_1000(model: str) -> Impact:
        candidate = Candidate(
            model=model,
            prompt=prompt,
            temperature=None,
            max_tokens=deployment.answers.max_tokens,
        )
        return candidate.expected(deployment)

    present = per_1000(generator)
    started = _start(lifecycles, generator)
    offered = []
    for model in _callable(deployment, lifecycles):
        name = ModelName.parse(model).model
        takes = per_1000(model)
        start = _start(lifecycles, model)
        offered.append(
            Offered(
                model=model,
                active_billion=facts(f"models/{name}/active", "billion parameters").mid,
                total_billion=facts(f"models/{name}/total", "billion parameters").mid,
                card=model_cards().get(name),
                lifecycle=lifecycles.get(name),
                per_1000=takes,
                smaller=None if model == generator else Verdict.between(takes.kwh, present.kwh),
                is_newer=bool(start and started and start > started),
            )
        )
    return ModelReview(
        generator=generator,
        embedding=embedding,
        in_use={
            model: lifecycles[name]
            for model in (generator, embedding)
            if (name := ModelName.parse(model).model) in lifecycles
        },
        offered=tuple(sorted(offered, key=lambda each: each.per_1000.kwh.mid)),
        answers_per_month=deployment.traffic.questions_per_month,
    )


def replacement(deployment: Deployment, lifecycles: Mapping[str, Lifecycle]) -> str | None:
    """Return the smallest generator that the Region offers, that meets all limits and is active."""
    present = ModelName.parse(deployment.answers.generator).model
    for model in _callable(deployment, lifecycles):
        if ModelName.parse(model).model != present:
            return model
    return None


def _callable(deployment: Deployment, lifecycles: Mapping[str, Lifecycle]) -> list[str]:
    """Return the generators that meet the limits of the file here, the smallest first.

    The present one is among them as it is named in the file, if it writes at all.
    """
    present = deployment.answers.generator
    found = []
    for name in smallest_first():
        if name == ModelName.parse(present).model:
            found.append(present)
            continue
        known = lifecycles.get(name)
        if lifecycles and (known is None or known.is_legacy):
            continue
        for model in (name, *(f"{scope}.{name}" for scope in PROFILE_SCOPES)):
            answers = deployment.answers.model_copy(update={"generator": model})
            if passes(deployment.model_copy(update={"answers": answers})):
                found.append(model)
                break
    return [model for model in found if model != EXTRACTIVE]


def _start(lifecycles: Mapping[str, Lifecycle], model: str) -> date | None:
    known = lifecycles.get(ModelName.parse(model).model)
    return known.start if known else None
