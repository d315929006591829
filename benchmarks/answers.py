"""Answers from question to citation, in three languages, by the local generator.

``BENCH_QUESTIONS`` says how many questions of each language are asked (30), evenly spaced over the
set, or ``all``. ``GENERATOR=smollm2`` or ``MODEL_URL`` measures another generator, as
``python -m local.models --help`` says.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

from benchmarks.measurement import Measurement
from benchmarks.retrieval import DEPLOYMENT, SETS, Question, indexed, questions, running
from rag.answering import Trace
from rag.question import BRIEF, FULL, longest
from rag.question import Question as Asked
from rag.settings import Limits
from sustainability.decide.model_choice.scoring import is_correct
from tests.e2e.store_kinds import empty_index

_SHARES = (0.4, 0.6, 0.8)
_QUESTIONS = "30"
_DEADLINE_S = 300.0  # of a real model here, which may be slow: what it says is measured, not when
Pair = tuple[Question, dict[str, Any]]


def run() -> list[Measurement]:
    """Ask each language's questions of the published splits, or some of them."""
    measurements = []
    limits = {
        field.name: getattr(DEPLOYMENT.answers, field.name)
        for field in fields(Limits)
        if hasattr(DEPLOYMENT.answers, field.name)
    }
    with running() as embedded, ExitStack() as stores:
        for language, (documents, file) in SETS.items():
            print(f"{language}: indexing …", file=sys.stderr)
            made = empty_index(embedded, "es", language.lower(), DEPLOYMENT)
            answering = indexed(stores.enter_context(made), documents).answering(
                **limits, deadline_s=_DEADLINE_S
            )
            pairs: dict[str, list[Pair]] = {BRIEF: [], FULL: []}
            asked = _some(questions(file))
            for number, question in enumerate(asked, start=1):
                for detail, answered in pairs.items():
                    most = longest(detail, DEPLOYMENT.answers.max_tokens)
                    text = Asked(question["question"], {}, most, detail)
                    answer = answering.answer(text, Trace())
                    assert isinstance(answer, dict)
                    answered.append((question, answer))
                if number % 10 == 0 or number == len(asked):
                    print(f"{language}: {number} of {len(asked)} answered", file=sys.stderr)
            measurements += _measure(language, pairs[FULL])
            measurements += _brief(language, pairs[BRIEF], pairs[FULL])
    return measurements


def _some(every: Sequence[Question]) -> Sequence[Question]:
    """Return as many questions as asked for, evenly spaced, so that each kind keeps its share."""
    wanted = os.environ.get("BENCH_QUESTIONS", _QUESTIONS)
    if wanted == "all":
        return every
    if not wanted.isdecimal() or not int(wanted):
        sys.exit(f"BENCH_QUESTIONS: a number from 1, or all; not {wanted!r}")
    return every[:: math.ceil(len(every) / int(wanted))]


def _measure(language: str, pairs: Sequence[Pair]) -> list[Measurement]:
    answerable = [pair for pair in pairs if pair[0]["answerable"]]
    unasked = sum(answer["model"] is None for _, answer in answerable)
    far = [answer for question, answer in pairs if question["kind"] == "far"]
    right = sum(_is_right(pair) for pair in answerable)
    unfounded = sum(
        answer["answered"] and not any(c["cited"] for c in answer["citations"])
        for _, answer in pairs
    )
    refused = [question["answerable"] for question, answer in pairs if not answer["answered"]]
    due, wrongly = refused.count(False), refused.count(True)
    missed = sum(answer["answered"] and not q["answerable"] for q, answer in pairs)
    f1 = 2 * due / (2 * due + wrongly + missed)
    generated = [answer["grounded"] for _, answer in pairs if answer["grounded"] is not None]
    off_topic = sum(not answer["answered"] for answer in far) / len(far)
    return [
        Measurement(f"{language}: questions", len(pairs), ""),
        Measurement(
            f"{language}: answerable questions answered rightly", right / len(answerable), ""
        ),
        Measurement(
            f"{language}: answerable questions refused before the generator",
            unasked / len(answerable),
            "",
            "≤ 0.03",
        ),
        Measurement(f"{language}: off-topic questions refused", off_topic, "", "≥ 0.95"),
        Measurement(f"{language}: answers without a valid citation", unfounded, "", "0"),
        Measurement(f"{language}: refusals, F1", f1, ""),
        *[
            Measurement(
                f"{language}: generated texts grounded at {share:g}",
                sum(each >= share for each in generated) / max(1, len(generated)),
                "",
            )
            for share in _SHARES
        ],
    ]


def _brief(language: str, brief: Sequence[Pair], full: Sequence[Pair]) -> list[Measurement]:
    """Hold brief answers against full ones: the tokens that were written, and what was right.

    The quoting generator quotes the same for both, and SmolLM2 does not follow the instruction.
    """
    written = [sum(a["usage"]["output_tokens"] for _, a in pairs) for pairs in (brief, full)]
    right = [sum(_is_right(p) for p in pairs if p[0]["answerable"]) for pairs in (brief, full)]
    share = written[0] / max(1, written[1])
    return [
        Measurement(f"{language}: tokens when brief, of those when full", share, "", "≤ 0.6"),
        Measurement(f"{language}: right when brief", right[0], "answers", f"≥ {right[1]}"),
    ]


def _is_right(pair: Pair) -> bool:
    question, answer = pair
    return answer["answered"] and is_correct(answer["answer"], question["answer_contains"])
