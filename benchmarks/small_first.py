"""What may answer before the generator: how often it is right, and what it spares.

A quotation is taken from a *fit* on, the share of the question's information in its best sentence.
The fit is the lowest with which at least 95 % were right on the ``tune`` split; all others,
in three languages, were held out. A quotation takes no tokens, so it spares what the
generator would take for the questions that it answers: their own prompts, which are shorter than
others, and an answer of the length that the deployment expects.

With ``GENERATOR=smollm2`` the small model is measured too: its text is taken from a groundedness
on. SmolLM2 is the only model here that writes; of pairs of models on Bedrock the table says what
share must be taken for a gain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from typing import Any

import yaml

from benchmarks.measurement import Measurement
from benchmarks.retrieval import DEPLOYMENT, SETS, indexed, running
from rag import tokens
from rag.answering import Trace
from rag.extractive import quotation
from rag.generation import Generation, Generator
from rag.question import BRIEF, longest
from rag.question import Question as Asked
from rag.settings import Limits
from sustainability.decide.model_choice.scoring import is_correct, wilson
from sustainability.deployment.schema import SmallFirst
from sustainability.energy.bedrock import bedrock_tokens
from sustainability.energy.site import Site
from sustainability.energy.small_first import answer_impact
from sustainability.facts.lookup import Facts
from tests.e2e.store_kinds import empty_index

_FITS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
_GROUNDED = (0.6, 0.8, 0.9, 1.0)
_BAR, _BAR_LOW = 0.95, 0.9
_DEADLINE_S = 300.0
_PAIRS = (
    ("mistral.ministral-3-3b-instruct", "mistral.ministral-3-14b-instruct"),
    ("mistral.ministral-3-3b-instruct", "qwen.qwen3-32b-v1:0"),
    ("mistral.ministral-3-8b-instruct", "qwen.qwen3-32b-v1:0"),
)
"""A smaller and a larger generator on Bedrock."""


@dataclass(slots=True)
class _Watched:
    """A generator, and the prompt that it was last given."""

    generator: Generator
    system: str = field(default="", init=False)
    user: str = field(default="", init=False)

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        self.system, self.user = system, user
        return self.generator.generate(system, user, max_tokens=max_tokens)


@dataclass(frozen=True)
class _Case:
    """A question that reached the generator; what was quoted for it, and what was written."""

    split: str
    tokens: int
    fit: float
    quoted_right: bool
    grounded: float
    written_right: bool


def run() -> list[Measurement]:
    """Ask every question of both splits."""
    cases = _cases()
    chosen = _least(cases, _FITS, lambda case: (case.fit, case.quoted_right))
    rows = _rows("quotation, fit", cases, _FITS, lambda case: (case.fit, case.quoted_right), chosen)
    if os.environ.get("GENERATOR", "quoting") != "quoting" or "MODEL_URL" in os.environ:
        judged: Callable[[_Case], tuple[float, bool]] = lambda c: (c.grounded, c.written_right)  # noqa: E731
        best = _least(cases, _GROUNDED, judged)
        rows += _rows("small model, grounded", cases, _GROUNDED, judged, best)
    return rows + [_break_even(*pair) for pair in _PAIRS]


def _cases() -> list[_Case]:
    limits = {
        each.name: getattr(DEPLOYMENT.answers, each.name)
        for each in fields(Limits)
        if hasattr(DEPLOYMENT.answers, each.name)
    }
    cases = []
    with running() as embedded, ExitStack() as stores:
        for language, (documents, file) in SETS.items():
            made = empty_index(embedded, "es", f"first-{language.lower()}", DEPLOYMENT)
            answering = indexed(stores.enter_context(made), documents).answering(
                **limits, deadline_s=_DEADLINE_S
            )
            assert not hasattr(answering.generator, "fetch")
            for question in yaml.safe_load(file.read_text()):
                watched = _Watched(answering.generator)  # type: ignore[arg-type]
                most = longest(BRIEF, DEPLOYMENT.answers.max_tokens)
                asked = Asked(question["question"], {}, most, BRIEF)
                answer = replace(answering, generator=watched).answer(asked, Trace())
                assert isinstance(answer, dict)
                if watched.user:
                    cases.append(_case(question, watched.system, watched.user, answer))
    return cases


def _case(question: dict[str, Any], system: str, user: str, answer: dict[str, Any]) -> _Case:
    fit, quoted = quotation(user)
    wanted = question.get("answer_contains", ())  # none: nothing that is said is right
    return _Case(
        split=question["split"],
        tokens=tokens.estimate(system + user),
        fit=fit,
        quoted_right=is_correct(quoted, wanted),
        grounded=answer["grounded"] if answer["answered"] else -1.0,
        written_right=is_correct(answer["answer"], wanted),
    )


def _least(
    cases: Sequence[_Case], levels: Sequence[float], of: Callable[[_Case], tuple[float, bool]]
) -> float:
    """Return the lowest level with which the `tune` split reaches the bar, or the highest."""
    for level in levels:
        taken = [of(case)[1] for case in cases if case.split == "tune" and of(case)[0] >= level]
        if taken and sum(taken) >= _BAR * len(taken):
            return level
    return levels[-1]


def _rows(
    what: str,
    cases: Sequence[_Case],
    levels: Sequence[float],
    of: Callable[[_Case], tuple[float, bool]],
    chosen: float,
) -> list[Measurement]:
    rows = []
    for split in ("tune", "held out"):
        every = [case for case in cases if (case.split == "tune") is (split == "tune")]
        for level in levels if split == "tune" else (chosen,):
            taken = [case for case in every if of(case)[0] >= level]
            right = sum(of(case)[1] for case in taken)
            held_out = split != "tune"
            where = f"{what} {level:g}, {split}"
            rows.append(Measurement(f"{where}: questions", len(every), ""))
            rows.append(Measurement(f"{where}: taken", len(taken), ""))
            if not taken:
                continue
            rows.append(
                Measurement(
                    f"{where}: of these right",
                    right / len(taken),
                    "",
                    f">= {_BAR}" if held_out else "",
                )
            )
            if held_out:
                low = wilson(right, len(taken))[0]
                rows.append(
                    Measurement(f"{where}: right, lower 95 % bound", low, "", f">= {_BAR_LOW}")
                )
                rows += [
                    Measurement(
                        f"{where}: energy of generating by {model} spared",
                        100 * _energy(taken, model) / _energy(every, model),
                        "%",
                        ">= 30",
                    )
                    for model in dict.fromkeys(model for pair in _PAIRS for model in pair)
                ]
    return rows


def _energy(cases: Sequence[_Case], model: str) -> float:
    """Return the kWh for which a model on Bedrock would answer these questions."""
    facts = Facts()
    return bedrock_tokens(
        model,
        input_tokens=sum(case.tokens for case in cases),
        output_tokens=len(cases) * DEPLOYMENT.answer_tokens.mean,
        site=Site.of_model(model, DEPLOYMENT.region, DEPLOYMENT.footprint.accounting, facts),
    ).kwh.mid


def _break_even(small: str, large: str) -> Measurement:
    """Return the share of the small model's answers that must be taken for a gain in energy."""
    facts = Facts()
    ratio = (
        answer_impact(DEPLOYMENT, small, facts).kwh.mid
        / answer_impact(DEPLOYMENT, large, facts).kwh.mid
    )
    return Measurement(f"{small} before {large}: must be taken for a gain", 100 * ratio, "%")


assert SmallFirst().fit in _FITS
