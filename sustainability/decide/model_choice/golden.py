"""The golden set: questions with known answers, and questions without an answer.

The header of ``samples/questions.yaml`` explains the format. The keys for the evaluation of the
search (``relevant``, ``kind``) are allowed and not used here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sustainability.errors import UserError

Split = Literal["tune", "report", "held"]


class Question(BaseModel):
    """One question of a golden set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answerable: bool
    answer_contains: tuple[str, ...] = ()
    split: Split | None = None

    @model_validator(mode="after")
    def _judgeable(self) -> Self:
        if self.answerable != bool(self.answer_contains):
            raise ValueError(
                "every answerable question needs answer_contains; an unanswerable one must not "
                "have it"
            )
        return self


def read(path: Path, *, split: Split | None = None, limit: int | None = None) -> list[Question]:
    """Read a golden set, or its first ``limit`` questions of one split.

    A limit keeps the share of answerable questions, so that a short run tests both kinds.

    Raises
    ------
    UserError
        If the file cannot be read, a question is not valid, an id occurs twice, or no question is
        left.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        questions = TypeAdapter(list[Question]).validate_python(data)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = (_place(data, fault["loc"], fault["msg"]) for fault in error.errors())
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults)) from error
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise UserError(f"{path}: question {question.id}: the id occurs twice; change one")
        seen.add(question.id)
    kept = [question for question in questions if split in (None, question.split)]
    if limit is not None:
        kept = _spread(kept, limit)
    if not kept:
        raise UserError(f"{path}: no questions{f' in the split {split}' if split else ''}")
    return kept


def _place(data: object, location: tuple[int | str, ...], message: str) -> str:
    match location:
        case (int(index), *keys) if isinstance(data, list):
            entry = data[index]
            name = entry.get("id") if isinstance(entry, dict) else None
            key = "".join(f"{part}: " for part in keys)
            return f"question {name or index + 1}: {key}{message.removeprefix('Value error, ')}"
        case _:
            return "expected a list of questions, as in samples/questions.yaml"


def _spread(questions: list[Question], limit: int) -> list[Question]:
    answerable = sum(question.answerable for question in questions)
    wanted = {True: round(limit * answerable / len(questions)) if questions else 0}
    wanted[False] = limit - wanted[True]
    taken = {True: 0, False: 0}
    kept = []
    for question in questions:
        if taken[question.answerable] < wanted[question.answerable]:
            taken[question.answerable] += 1
            kept.append(question)
    return kept
