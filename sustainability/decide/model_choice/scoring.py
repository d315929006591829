"""How answers are judged: by words alone, so that a judgement costs nothing and can be repeated.

Correct is an answer that holds one of the alternatives that the golden set names, as whole words.
Grounded is an answer so far as its words stand in the passages that it rests on. Neither
understands language: a right answer in other words counts as wrong, and a sentence that twists the
words of its passage counts as grounded. Both err alike for every candidate.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sustainability.decide.model_choice.golden import Question

_CITATION = re.compile(r"\[\d+(?:\s*[,;]\s*\d+)*\]")
_TOKEN = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![^\W_])|[^\W_]+")
_ENDINGS = ("ing", "ed", "es", "s", "e")
_SHORTEST_STEM = 3
# Words that claim nothing, with those by which models introduce a quotation.
_FUNCTION_WORDS = (
    "a about above according after all also am an and any are as at based be because been "
    "before being below between both but by can could did do does doing document documents down "
    "during each either few for from further had has have having he her here hers him his how i "
    "if in into is it its itself just may me might more most must my no nor not of off on once "
    "only or other our out over own passage passages same shall she should so some such than "
    "that the their them then there these they this those through to too under until up us very "
    "was we were what when where which while who whom whose why will with would yes you your"
)
_Z_95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one question."""

    question: Question
    answered: bool
    """False if the path said that the documents hold no answer."""
    text: str
    evidence: Sequence[str]
    """The passages that the answer cites; if it cites none, those that the generator saw."""
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

    @property
    def groundedness(self) -> float | None:
        """Groundedness of the answer, if there is one."""
        if not self.answered:
            return None
        return groundedness(self.text, self.question.question, self.evidence)


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
        """Wilson's 95 % interval of the correctness: what so few questions can tell."""
        asked = self._count(answerable=True)
        return wilson(self.correct, asked) if asked else None

    @property
    def groundedness(self) -> float | None:
        """Mean groundedness of what was answered, whether it should have been or not."""
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

        Written over counts, so that it is zero and not undefined where nobody abstained.
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
    """Say whether an alternative stands in the answer as whole words; case does not matter.

    A number is whole only if no digit follows a decimal point or a separator: ``40`` is not in
    ``40.5`` or ``1,040``, but it is in ``40.``.
    """
    text = _plain(answer)
    return any(
        re.search(rf"(?<!\w)(?<!\d[.,]){re.escape(_plain(wanted))}(?!\w|[.,]\d)", text)
        for wanted in alternatives
    )


def groundedness(answer: str, question: str, evidence: Iterable[str]) -> float:
    """Return the share of an answer's own content words and numbers that the evidence holds.

    Each counts once, however often it is said. Words of the question are not the answer's own.
    Words are compared without common endings, numbers by value. 1.0 if the answer adds nothing.
    """
    own = content(_CITATION.sub(" ", answer)) - content(question)
    held = content(" ".join(evidence))
    return len(own & held) / len(own) if own else 1.0


def content(text: str) -> frozenset[str]:
    """Return the content words of a text, without their endings, and its numbers, by value."""
    found, function_words = set(), _FUNCTION_WORDS.split()
    for token in _TOKEN.findall(_plain(text)):
        if token[0].isdigit() and not any(character.isalpha() for character in token):
            found.add(str(float(token.replace(",", ""))))
        elif len(token) > 1 and token not in function_words:
            found.add(_stem(token))
    return frozenset(found)


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


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST_STEM:
            return stem
    return word
