"""What a generator answered beyond search, by a comparison that ``choose-model`` recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from sustainability.deployment.schema import EXTRACTIVE
from sustainability.energy.verdict import Verdict
from sustainability.errors import UserError


class _Question(BaseModel):
    id: str
    answerable: bool
    right: bool


class _Candidate(BaseModel):
    model: str


class _Result(BaseModel):
    candidate: _Candidate
    questions: list[_Question]


class _Recorded(BaseModel):
    embedded: bool
    results: list[_Result]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answerable questions of a golden set, answered by quoting and by a generator."""

    generator: str
    questions: int
    both: int
    """Questions that both answered rightly."""
    quoted_alone: int
    generated_alone: int
    embedded: bool
    """Whether a local model of the embedded AWS answered in place of the generator."""

    @classmethod
    def read(cls, path: Path, generator: str) -> Answered:
        """Read what ``choose-model --all --json`` printed; the first candidate of a model counts.

        Raises
        ------
        UserError
            If the file cannot be read, or lacks the answers of one of the two.
        """
        try:
            recorded = _Recorded.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"--answered {path}: {error.strerror}") from error
        except ValidationError as error:
            (first, *_) = error.errors()
            place = ".".join(map(str, first["loc"])) or "file"
            raise UserError(
                f"--answered {path}: {place}: {first['msg']}; write it with: {command(generator)}"
            ) from error
        right: dict[str, dict[str, bool]] = {}
        for result in reversed(recorded.results):
            right[result.candidate.model] = {
                question.id: question.right for question in result.questions if question.answerable
            }
        if missing := [model for model in (EXTRACTIVE, generator) if not right.get(model)]:
            raise UserError(
                f"--answered {path}: no answers of {' and '.join(missing)}; "
                f"write it with: {command(generator)}"
            )
        quoting, generating = right[EXTRACTIVE], right[generator]
        asked = quoting.keys() & generating.keys()
        pairs = [(quoting[question], generating[question]) for question in asked]
        return cls(
            generator=generator,
            questions=len(pairs),
            both=pairs.count((True, True)),
            quoted_alone=pairs.count((True, False)),
            generated_alone=pairs.count((False, True)),
            embedded=recorded.embedded,
        )

    @property
    def quoted(self) -> int:
        """Questions that the quotation answered rightly."""
        return self.both + self.quoted_alone

    @property
    def generated(self) -> int:
        """Questions that the generator answered rightly."""
        return self.both + self.generated_alone

    @property
    def verdict(self) -> Verdict:
        """Whether the generator answers fewer questions of this kind than the quotation.

        Only questions that one of the two answered tell them apart. With every share equally
        likely before, the share of them that is the generator's follows a beta distribution.
        """
        more, fewer = self.generated_alone, self.quoted_alone
        trials = more + fewer + 1
        at_most_half = sum(math.comb(trials, hits) for hits in range(more + 1, trials + 1))
        return Verdict(at_most_half / 2**trials)


def command(generator: str) -> str:
    """Return the command that records a comparison with ``generator``."""
    return (
        "python -m sustainability choose-model DEPLOYMENT --questions GOLDEN --all --json "
        f"--models {EXTRACTIVE} {generator} > answers.json"
    )
