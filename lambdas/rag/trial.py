"""Questions to the answer path outside of Lambda, for trying a generator before it is deployed.

`python -m rag.trial` runs with the answer function's environment, with another `GENERATOR_MODEL` or
`ANSWER_SETTINGS`, and with another `PROMPT`. Each line of stdin is a question, a JSON string.
For each, it writes one line to stdout: `{"answer": ..., "passages": [...]}` with the passages that
the generator saw, or `{"error": ..., "retry_after_s": ...}`, null if waiting does not help. It does
not call or change the function, and does not use its answer cache.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from rag import prompt_source
from rag.answering import Answering, Trace
from rag.answers import Answer, Answers, Draft, Lookup, Pending
from rag.deferral import Deferral
from rag.errors import DeadlineExceeded, Unavailable
from rag.extractive import passages
from rag.generation import Generation, Generator
from rag.question import Question, longest
from rag.settings import AnswerSettings
from rag.stores.store import StoreError
from rag.telemetry import logger
from rag.wiring import wire

_DEADLINE_RETRY_S = 1
# By the coefficients of the generator that is deployed, which need not be the one on trial.
_COSTS = frozenset({"added", "share", "saved_energy_wh"})


class _NoAnswers(Answers):
    """An answer cache that keeps nothing."""

    def look_up(self, ids: Mapping[str, str]) -> Lookup:
        return Lookup(next(iter(ids)), None, None)

    def claim(self, id_: str, version: int, *, seconds: float) -> bool:
        return True

    def put(self, answer: Answer, draft: Draft) -> None:
        pass


@dataclass(slots=True)
class _Watched:
    """A generator, and the passages of the prompt that it was last given."""

    generator: Generator
    passages: list[str] = field(default_factory=list)

    def generate(self, system: str, user: str, *, max_tokens: int) -> Generation:
        self.passages = [f"{source}\n{text}" for source, text in passages(user)]
        return self.generator.generate(system, user, max_tokens=max_tokens)


def try_out(answering: Answering, question: str) -> dict[str, Any]:
    """Answer one question, or return why that is not possible now or at all."""
    from botocore.exceptions import BotoCoreError, ClientError

    assert not isinstance(answering.generator, Deferral)
    watched = _Watched(answering.generator)
    nowhere = _NoAnswers(client=None, table="", keep_hours=0)
    trial = replace(answering, generator=watched, answers=nowhere)
    try:
        limits = answering.limits
        asked = Question(question, {}, longest(limits.detail, limits.max_tokens), limits.detail)
        answer = trial.answer(asked, Trace())
    except Unavailable as error:
        return {"error": str(error), "retry_after_s": error.retry_after_s}
    except DeadlineExceeded as error:
        return {"error": str(error), "retry_after_s": _DEADLINE_RETRY_S}
    except (BotoCoreError, ClientError, StoreError, ValueError) as error:
        return {"error": str(error), "retry_after_s": None}
    assert not isinstance(answer, Pending)
    kept = {name: value for name, value in answer.items() if name not in _COSTS}
    return {"answer": kept, "passages": watched.passages}


def main(environ: Mapping[str, str], questions: TextIO, answers: TextIO) -> None:
    """Answer line by line until the questions end."""
    settings = _of_candidate(AnswerSettings.load(environ))
    answering = wire(settings, prompt_source.load(settings.prompt))
    for line in questions:
        print(json.dumps(try_out(answering, json.loads(line))), file=answers, flush=True)


def _of_candidate(settings: AnswerSettings) -> AnswerSettings:
    """Return settings with which the candidate answers, at once, and no other model does."""
    own = settings.endpoint is not None and settings.endpoint.model == settings.generator_model
    return replace(
        settings,
        deferral=None,
        small_first=None,
        endpoint=settings.endpoint if own else None,
        bedrock_may_answer=not own,
    )


if __name__ == "__main__":
    logger.registered_handler.setStream(sys.stderr)  # type: ignore[attr-defined]
    main(os.environ, sys.stdin, sys.stdout)
