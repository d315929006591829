"""The rung to try next, why, and what would make the advice wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sustainability.decide.customization.ladder import NEVER, Ladder, Step
from sustainability.decide.model_choice.scoring import wilson
from sustainability.deployment.schema import Need, Rung

_HELPS = {
    Need.FORM: (Rung.PROMPTS, Rung.PEFT, Rung.DISTILLATION, Rung.FULL),
    Need.KNOWLEDGE: (Rung.PROMPTS, Rung.RAG, Rung.PEFT, Rung.FULL),
    Need.VOCABULARY: (Rung.PROMPTS, Rung.RAG, Rung.PEFT, Rung.FULL, Rung.SCRATCH),
}
"""The rungs that can help, the cheapest first."""
_TRAINS = (Rung.PEFT, Rung.DISTILLATION, Rung.FULL, Rung.SCRATCH)


@dataclass(frozen=True)
class Advice:
    """What to do next."""

    rung: Rung
    reasons: tuple[str, ...]
    wrong_if: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """The quality of the last week beside the 30 days before it, as the deployment measured it."""

    day: str
    """The last day of the week, in UTC."""
    shares: Mapping[str, Mapping[str, float | None]]
    """``answered`` and ``grounded``: ``week``, ``baseline`` and ``drop``, 0 to 1."""

    @property
    def fell(self) -> bool:
        """Whether a share fell by more than chance."""
        return any(share["drop"] for share in self.shares.values())

    @property
    def is_known(self) -> bool:
        """Whether there are enough answers and days to tell."""
        return any(share["drop"] is not None for share in self.shares.values())

    def __str__(self) -> str:
        """Return it as a sentence."""
        if not self.is_known:
            return (
                "Drift is not known yet: it needs a week of answers, a week before it, and "
                "footprint.targets or service_level.availability: standard."
            )
        told = ", ".join(
            f"{name} {share['week']:.1%} after {share['baseline']:.1%}"
            for name, share in self.shares.items()
            if share["week"] is not None and share["baseline"] is not None
        )
        verdict = "Quality fell" if self.fell else "Quality did not fall by more than chance"
        return f"{verdict} in the week until {self.day}: {told}."


def advise(ladder: Ladder, score: float | None, drift: Drift | None = None) -> Advice:
    """Return the rung to try next. Drift is a reason to tune, time alone is none.

    Parameters
    ----------
    ladder
        The estimates of all rungs.
    score
        Share of the golden questions that the rung below answers right; ``None`` if nobody
        measured it.
    drift
        What the deployment measured; ``None`` if it was not asked.
    """
    if drift is None:
        return _next(ladder, score)
    if score is None and drift.is_known and not drift.fell:
        return Advice(
            Rung.STAY,
            (str(drift), "Time alone is no reason to tune again."),
            ("the score on the golden questions is too low all the same: measure it",),
        )
    found = _next(ladder, score)
    return replace(found, reasons=(str(drift), *found.reasons))


def _next(ladder: Ladder, score: float | None) -> Advice:
    wishes = ladder.answers.wishes
    if score is None:
        return Advice(
            Rung.PROMPTS,
            (
                "No score of the rung below is known. Measure it first, and state it as "
                "customization.score or --score.",
            ),
            ("the score already suffices: then stay",),
        )
    if score >= wishes.good_enough:
        return _good_enough(ladder, score)
    low, high = wilson(round(score * wishes.golden_questions), wishes.golden_questions)
    if high >= wishes.good_enough and wishes.good_enough - score < (high - low) / 4:
        return Advice(
            Rung.STAY,
            (
                f"The score of {score:.2f} misses {wishes.good_enough:.2f} by less than half of "
                f"what {wishes.golden_questions} questions can tell apart ({low:.2f} to "
                f"{high:.2f}). Add golden questions before you train.",
            ),
            ("more golden questions confirm the gap",),
        )
    for rung in _HELPS[wishes.need]:
        step = ladder[rung]
        if rung in wishes.tried or step.obstacle:
            continue
        return Advice(rung, _why(ladder, step, score), _wrong_if(ladder, step))
    tried = ", ".join(wishes.tried) or "no rung"
    obstacles = [
        f"{rung.value}: {ladder[rung].obstacle}"
        for rung in _HELPS[wishes.need]
        if ladder[rung].obstacle and rung not in wishes.tried
    ]
    return Advice(
        Rung.STAY,
        (
            f"The score of {score:.2f} is below {wishes.good_enough:.2f}. Tried: {tried}. "
            f"What is left is not possible now ({'; '.join(obstacles) or 'nothing is left'}).",
        ),
        ("more examples come in", "a larger base model from choose-model is good enough as it is"),
    )


def _good_enough(ladder: Ladder, score: float) -> Advice:
    wishes = ladder.answers.wishes
    paid = [
        step
        for step in ladder.steps
        if step.rung in _TRAINS and step.obstacle is None and step.rung not in wishes.tried
        and step.energy.mid <= ladder.lasting_answers
    ]  # fmt: skip
    said = f"The score of {score:.2f} reaches {wishes.good_enough:.2f}. More is not better."
    if not paid:
        cheapest = ladder[Rung.PEFT]
        return Advice(
            Rung.STAY,
            (said, f"Training saves nothing: PEFT {_paid_back(ladder, cheapest)}."),
            (
                "traffic grows, so that the hours of an endpoint are shared by more answers"
                if cheapest.energy.mid == NEVER
                else "the data changes less often than declared",
                "the tuned model could be much smaller than today's generator",
            ),
        )
    best = max(paid, key=lambda step: _saved(ladder, step))
    return Advice(
        best.rung,
        (said, f"But it saves energy: {best.rung.value} {_paid_back(ladder, best)}. By the middle "
         f"estimates it saves {_saved(ladder, best):.3g} kWh until the data changes."),
        _wrong_if(ladder, best),
    )  # fmt: skip


def _saved(ladder: Ladder, step: Step) -> float:
    today = ladder[Rung.STAY].per_answer.kwh.mid
    return (today - step.per_answer.kwh.mid) * ladder.lasting_answers - step.once.kwh.mid


def _why(ladder: Ladder, step: Step, score: float) -> tuple[str, ...]:
    wishes = ladder.answers.wishes
    reasons = [
        f"The score of {score:.2f} is below {wishes.good_enough:.2f}, and {step.rung.value} is the "
        f"cheapest rung that can help with {wishes.need.value} and was not tried yet."
    ]
    if step.rung in _TRAINS:
        reasons.append(f"In energy it {_paid_back(ladder, step)}.")
    return tuple(reasons)


def _wrong_if(ladder: Ladder, step: Step) -> tuple[str, ...]:
    if step.rung in (Rung.PROMPTS, Rung.RAG):
        return ("the model fails in the same way with every prompt",)
    found = ["the tuned model does not beat the rung below by the margin: the gate ends the run"]
    if step.energy.high > ladder.lasting_answers:
        found.append(
            "the energy lies at the unfavourable ends of its ranges: then it is not paid back "
            "before the data changes"
        )
    if ladder.answers.wishes.tokens_saved == 0:
        found.append("tokens_saved is not declared: a tuned model needs a shorter prompt")
    found.append("the data changes more often than declared: each change tunes anew")
    return tuple(found)


def _paid_back(ladder: Ladder, step: Step) -> str:
    if step.energy.mid == NEVER:
        return "is never paid back, because a tuned answer takes no less energy than today's"
    return (
        f"is paid back after {step.energy.mid:,.0f} answers; {ladder.lasting_answers:,.0f} come "
        "before the data changes"
    )
