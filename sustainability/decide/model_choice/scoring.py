"""How answers are judged: by words alone, so that a judgement costs nothing and can be repeated.

An answer is correct if it contains one of the alternatives of the golden set, as whole words.
How far an answer stands in the passages that it cites, the answer path says itself: what decides
there whether something is an answer (``rag.grounding``) judges candidates here. Neither understands
language: a right answer in other words counts as wrong, and a sentence that twists the words of its
passage counts as grounded. Both err alike for every candidate.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sustainability.decide.model_choice.golden import Question

_Z_95 = 1.959964
_LETTER = "[^\\W\u3040-\u30ff\u3400-\u9fff]"
"""A letter or digit of a script that puts spaces between words: no kana, no Han character."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of one question."""

    question: Question
    answered: bool
    """False if the API said that the documents contain no answer."""
    text: str
    groundedness: float | None
    """Share of the generator's text that its citations contain; None without a text."""
    input_tokens: int
    output_tokens: int
    generated: bool
    """False if nothing relevant was found, and no generator was called."""

    @property
    def is_right(self) -> bool:
        """Whether it is what the golden set wants: a correct answer, or a due abstention."""
        if not self.question.answerable:
            return not self.answered
        return self.answered and is_correct(self.text, self.question.answer_contains)


@dataclass(frozen=True)
class Scores:
    """Scores of one candidate. A score is ``None`` where there is nothing to judge by."""

    outcomes: tuple[Outcome, ...]

    @cached_property
    def correct(self) -> int:
        """How many answerable questions were answered correctly."""
        return sum(outcome.is_right for outcome in self.outcomes if outcome.question.answerable)

    @property
    def correctness(self) -> float | None:
        """Share of the answerable questions that were answered correctly."""
        return _share(self.correct, self._count(answerable=True))

    @property
    def correctness_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the correctness: the uncertainty of so few questions."""
        asked = self._count(answerable=True)
        return wilson(self.correct, asked) if asked else None

    @property
    def groundedness(self) -> float | None:
        """Mean groundedness of what the generator said, whether it was presented or not."""
        shares = [
            outcome.groundedness for outcome in self.outcomes if outcome.groundedness is not None
        ]
        return _share(sum(shares), len(shares))

    @property
    def abstention_precision(self) -> float | None:
        """Share of the abstentions that were right."""
        rightly = self._count(answerable=False, answered=False)
        return _share(rightly, rightly + self._count(answerable=True, answered=False))

    @property
    def abstention_recall(self) -> float | None:
        """Share of the unanswerable questions that were left unanswered."""
        rightly = self._count(answerable=False, answered=False)
        return _share(rightly, self._count(answerable=False))

    @property
    def abstention(self) -> float | None:
        """F1, the harmonic mean of precision and recall: abstentions of either sort that are due.

        Computed from counts, so that it is zero and not undefined without abstentions.
        """
        rightly = self._count(answerable=False, answered=False)
        wrongly = self._count(answerable=True, answered=False)
        missed = self._count(answerable=False, answered=True)
        return _share(2 * rightly, 2 * rightly + wrongly + missed)

    def _count(self, *, answerable: bool, answered: bool | None = None) -> int:
        return sum(
            outcome.question.answerable is answerable and answered in (None, outcome.answered)
            for outcome in self.outcomes
        )


def is_correct(answer: str, alternatives: Iterable[str]) -> bool:
    """Return whether the answer contains an alternative as whole words; case does not matter.

    A number is whole only if no digit follows a decimal point or a separator: ``40`` is not in
    ``40.5`` or ``1,040``, but it is in ``40.``. Japanese and Chinese have no spaces: there, a word
    may begin and end anywhere.
    """
    text, before = _plain(answer), rf"(?<!{_LETTER})(?<!\d[.,])"
    return any(
        re.search(rf"{before}{re.escape(_plain(wanted))}(?!{_LETTER}|[.,]\d)", text)
        for wanted in alternatives
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (E. B. Wilson, JASA 22, 1927)."""
    share, z2 = successes / trials, _Z_95**2
    centre = share + z2 / (2 * trials)
    reach = _Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
