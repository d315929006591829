"""Experiments that are kept: one line each in a file that is committed, and none made twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sustainability.decide.model_choice.golden import Question
from sustainability.decide.model_choice.history import write_whole
from sustainability.decide.model_choice.scoring import Outcome, Scores
from sustainability.decide.prompts.price import candidate
from sustainability.deployment.prompts import Prompt, digest, sampling
from sustainability.deployment.schema import Deployment
from sustainability.errors import UserError

_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All that an experiment's result depends on beside the prompt."""

    deployment: Deployment
    model: str
    answered_by: str
    """Amazon Bedrock, or the name of the local model that answered in its place."""
    questions: Sequence[Question]
    documents: str
    """Digest of the index's content."""
    settings: Mapping[str, Any]
    """Of the search and of the answer, without those that the prompt states."""

    def check(self, prompt: Prompt) -> None:
        """Refuse a prompt whose examples hold a question that it would be judged by.

        Raises
        ------
        UserError
            If one does.
        """
        asked = {_plain(question.question): question.id for question in self.questions}
        for each in prompt.metadata.get("examples", {}).get("pool", ()):
            if found := asked.get(_plain(each["question"])):
                raise UserError(
                    f"{prompt.name}: an example is the golden question {found}; take it out of one "
                    "of the two, or use another --split"
                )

    def described(self, prompt: Prompt) -> dict[str, Any]:
        """Return the conditions as plain data."""
        return {
            "prompt_hash": prompt.fingerprint,
            "model": self.model,
            "answered_by": self.answered_by,
            "questions": len(self.questions),
            "questions_hash": digest([each.model_dump() for each in self.questions])[:_SHORT],
            "documents_hash": self.documents,
            "settings_hash": digest(dict(self.settings))[:_SHORT],
            "inference": {
                **sampling(self.deployment.answers, prompt),
                "max_tokens": self.deployment.answers.max_tokens,
                "detail": str(self.deployment.answers.detail),
            },
        }

    def result(self, prompt: Prompt, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """Return the line of an experiment. Energy is that of generating."""
        scores = Scores(tuple(outcomes))
        generated = [each for each in outcomes if each.generated]
        count = max(len(generated), 1)
        tokens = (
            sum(each.input_tokens for each in generated) / count,
            sum(each.output_tokens for each in generated) / count,
        )
        kwh = candidate(prompt, self.deployment, self.model).impact(self.deployment, tokens).kwh
        return {
            "id": self.id(prompt),
            "on": f"{datetime.now(UTC):%Y-%m-%d}",
            "prompt": prompt.name,
            "recipe": prompt.recipe,
            **self.described(prompt),
            "right": sum(each.is_right for each in outcomes),
            "correctness": _rounded(scores.correctness),
            "abstention": _rounded(scores.abstention),
            "groundedness": _rounded(scores.groundedness),
            "input_tokens": round(tokens[0], 1),
            "output_tokens": round(tokens[1], 1),
            "wh_per_1000": {
                name: float(f"{value:.3g}") for name, value in (kwh * 1000).as_dict().items()
            },
            "wh_spent": float(f"{kwh.mid * len(generated):.3g}"),
        }

    def id(self, prompt: Prompt) -> str:
        """Return what names an experiment: the same for the same conditions, everywhere."""
        return digest(self.described(prompt))[:_SHORT]


@dataclass
class Experiments:
    """The file of experiments."""

    path: Path
    _lines: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Experiments:
        """Read a file; one that does not exist has no experiments.

        Raises
        ------
        UserError
            If a line is not one of ours.
        """
        found = cls(path)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                found._lines[row["id"]] = row
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{path}:{number}: not an experiment ({error}); delete the line, and its "
                    "experiment is made again"
                ) from error
        return found

    def find(self, id_: str) -> dict[str, Any] | None:
        """Return an experiment that stands here."""
        return self._lines.get(id_)

    def keep(self, row: dict[str, Any]) -> None:
        """Add a line. An interruption leaves it whole or not at all.

        Raises
        ------
        UserError
            If the file cannot be written.
        """
        self._lines[row["id"]] = row
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in self._lines.values())
        try:
            write_whole(self.path, text)
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}; see --experiments") from error


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
