"""Candidates from the smallest up, until one is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.model_choice.golden import Question
from sustainability.decide.model_choice.scoring import Outcome, Scores
from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import Impact
from sustainability.errors import UserError

Answers = Callable[[Candidate, Sequence[Question]], Iterable[Outcome]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What is good enough: the least of each score, 0 to 1. Zero asks for nothing."""

    correctness: float = 0.7
    abstention: float = 0.8
    groundedness: float = 0.8

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Bar:
        """Read ``correctness=0.7`` and the like; what is not named keeps its default.

        Raises
        ------
        UserError
            If a text is nothing of the kind.
        """
        names = [field.name for field in fields(cls)]
        values = {}
        for text in texts:
            name, _, value = text.partition("=")
            try:
                values[name] = float(value)
            except ValueError:
                values[name] = -1
            if name not in names or not 0 <= values[name] <= 1:
                raise UserError(
                    f"--bar {text}: expected {', '.join(names[:-1])} or {names[-1]}, then = and a "
                    "number from 0 to 1"
                )
        return cls(**values)

    def check(self, questions: Sequence[Question]) -> None:
        """Refuse questions that cannot be judged by this bar.

        Raises
        ------
        UserError
            If a score with a bar has no questions to come from.
        """
        for name, answerable in (("correctness", True), ("abstention", False)):
            if getattr(self, name) and not any(q.answerable is answerable for q in questions):
                kind = "answerable" if answerable else "unanswerable"
                raise UserError(
                    f"no {kind} question to judge {name} by; add some, ask more of them, or say "
                    f"--bar {name}=0"
                )

    def missed_by(self, scores: Scores) -> list[str]:
        """Return the names of the scores that are below the bar, or that nothing was judged by."""
        found = []
        for field in fields(self):
            least, score = getattr(self, field.name), getattr(scores, field.name)
            if least and (score is None or score < least):
                found.append(field.name)
        return found


@dataclass(frozen=True, kw_only=True)
class Result:
    """How good a candidate is, and what it takes."""

    candidate: Candidate
    scores: Scores
    tokens: tuple[float, float]
    """Mean tokens in and out, over the questions that reached the generator."""
    per_1000: Impact
    """Of generating 1,000 answers with that many tokens."""
    missed: Sequence[str]
    """Scores below the bar."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was tried, in this order, what was chosen, and what was not worth asking any more."""

    results: Sequence[Result]
    chosen: Result | None
    unasked: Sequence[Candidate]


def choose(
    candidates: Sequence[Candidate],
    questions: Sequence[Question],
    *,
    deployment: Deployment,
    bar: Bar,
    answers: Answers,
    ask_all: bool = False,
) -> Choice:
    """Return the first candidate that meets the bar; candidates come the smallest first.

    With ``ask_all`` the others are asked too, for comparison; the choice is the same.

    Raises
    ------
    UserError
        If the bar and the questions do not fit, or no question reaches a generator.
    """
    bar.check(questions)
    results: list[Result] = []
    chosen = None
    for candidate in candidates:
        if chosen and not ask_all:
            break
        outcomes = tuple(answers(candidate, questions))
        result = _result(candidate, Scores(outcomes), deployment, bar)
        results.append(result)
        if not chosen and not result.missed:
            chosen = result
    return Choice(results=results, chosen=chosen, unasked=candidates[len(results) :])


def _result(candidate: Candidate, scores: Scores, deployment: Deployment, bar: Bar) -> Result:
    generated = [outcome for outcome in scores.outcomes if outcome.generated]
    if not generated:
        raise UserError(
            "the store holds nothing for any of the questions; add the documents they are about: "
            "python -m sustainability add DEPLOYMENT FOLDER"
        )
    tokens = (
        sum(outcome.input_tokens for outcome in generated) / len(generated),
        sum(outcome.output_tokens for outcome in generated) / len(generated),
    )
    return Result(
        candidate=candidate,
        scores=scores,
        tokens=tokens,
        per_1000=candidate.impact(deployment, tokens),
        missed=bar.missed_by(scores),
    )
