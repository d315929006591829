"""The choice: candidates are asked from the smallest to the largest, until one is good enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.model_choice.golden import Question
from sustainability.decide.model_choice.scoring import Outcome, Scores
from sustainability.deployment.schema import Deployment, Objective
from sustainability.energy.impact import Impact
from sustainability.energy.verdict import Compared, compared
from sustainability.errors import UserError

Answers = Callable[[Candidate, Sequence[Question]], Iterable[Outcome]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The quality bar: the lowest acceptable value of each score, 0 to 1. Zero: no requirement."""

    correctness: float = 0.7
    abstention: float = 0.8
    groundedness: float = 0.8

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Bar:
        """Read texts such as ``correctness=0.7``; scores without a text keep their default.

        Raises
        ------
        UserError
            If a text does not have this form.
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
                    f"--bar {text}: write NAME=VALUE; names are {', '.join(names)}, the value is "
                    "from 0 to 1"
                )
        return cls(**values)

    def check(self, questions: Sequence[Question]) -> None:
        """Refuse a question set from which a score of the bar cannot be calculated.

        Raises
        ------
        UserError
            If there is no question of the kind that a score needs.
        """
        for name, answerable in (("correctness", True), ("abstention", False)):
            if getattr(self, name) and not any(q.answerable is answerable for q in questions):
                kind = "answerable" if answerable else "unanswerable"
                raise UserError(
                    f"{name} needs at least one {kind} question; add some, raise --limit, or use "
                    f"--bar {name}=0"
                )

    def missed_by(self, scores: Scores) -> list[str]:
        """Return the names of the scores that are below the bar or could not be calculated."""
        found = []
        for field in fields(self):
            least, score = getattr(self, field.name), getattr(scores, field.name)
            if least and (score is None or score < least):
                found.append(field.name)
        return found


@dataclass(frozen=True, kw_only=True)
class Result:
    """The scores and the footprint of a candidate."""

    candidate: Candidate
    scores: Scores
    tokens: tuple[float, float]
    """Mean input and output tokens of the questions that reached the generator."""
    per_1000: Impact
    """Footprint of generating 1,000 answers with these tokens."""
    missed: Sequence[str]
    """Scores below the bar."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The results in the order of asking, the chosen one, and the candidates not asked."""

    results: Sequence[Result]
    chosen: Result | None
    unasked: Sequence[Candidate]
    beside: Mapping[Candidate, tuple[Compared, ...]]
    """The chosen candidate compared with each larger one that may be as good, for the tokens that
    the deployment expects."""

    @property
    def proposed(self) -> Result:
        """The result with the least energy of those with as many right answers as the best one.

        Unanswerable questions count too: not to answer them is right.
        """

        def right(result: Result) -> int:
            return sum(outcome.is_right for outcome in result.scores.outcomes)

        most = max(map(right, self.results))
        best = [result for result in self.results if right(result) == most]
        return min(best, key=lambda result: result.per_1000.kwh.mid)


def choose(
    candidates: Sequence[Candidate],
    questions: Sequence[Question],
    *,
    deployment: Deployment,
    bar: Bar,
    answers: Answers,
    ask_all: bool = False,
) -> Choice:
    """Return the first candidate that meets the bar; ``candidates`` begins with the smallest.

    With ``ask_all``, the others are also asked, to compare them. The choice is the same.

    Raises
    ------
    UserError
        If the questions do not fit the bar, or no question reaches a generator.
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
    unasked = candidates[len(results) :]
    good = [result.candidate for result in results if not result.missed]
    return Choice(
        results=results,
        chosen=chosen,
        unasked=unasked,
        beside=_beside(deployment, [*good, *unasked]) if chosen else {},
    )


def _beside(
    deployment: Deployment, good: Sequence[Candidate]
) -> dict[Candidate, tuple[Compared, ...]]:
    chosen, *others = good
    expected = chosen.expected(deployment)
    return {
        other: compared(expected, other.expected(deployment), Objective.ENERGY) for other in others
    }


def _result(candidate: Candidate, scores: Scores, deployment: Deployment, bar: Bar) -> Result:
    generated = [outcome for outcome in scores.outcomes if outcome.generated]
    if not generated:
        raise UserError(
            "the store contains nothing for any of the questions; add the documents that they are "
            "about: python -m sustainability add DEPLOYMENT FOLDER"
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
