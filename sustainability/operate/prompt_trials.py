"""Experiments with prompts on a deployed answer path."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sustainability.decide.model_choice import golden
from sustainability.decide.model_choice.trial import UNRELATED
from sustainability.decide.prompts.experiments import Conditions, Experiments
from sustainability.decide.prompts.price import candidate, price
from sustainability.deployment.prompts import Prompt, sampling
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account
from sustainability.operate.model_trials import AnswerPath, answered_by, documents_digest

_ELSEWHERE = {*UNRELATED, "temperature", "top_p", "top_k", "max_tokens", "detail"}
"""Settings that no answer depends on, or that stand beside the prompt in a line."""


@dataclass
class Bench:
    """Asks the golden questions with a prompt, unless the experiment stands in the file."""

    conditions: Conditions
    experiments: Experiments
    path: Callable[[Prompt], AnswerPath]
    progress: Callable[[str], None]
    stood: list[str] = field(default_factory=list)
    """Experiments that were not made again."""

    def expected_wh(self, prompt: Prompt) -> float:
        """Return the energy of asking all questions with a prompt; an estimate."""
        per_1000 = price(prompt, self.conditions.deployment, self.conditions.model).per_1000
        return per_1000.kwh.mid * len(self.conditions.questions)

    def experiment(self, prompt: Prompt) -> dict[str, Any]:
        """Return the line of the experiment.

        Raises
        ------
        UserError
            If a question gets no answer, or the prompt's examples hold a golden question.
        """
        conditions = self.conditions
        conditions.check(prompt)
        if row := self.experiments.find(conditions.id(prompt)):
            self.stood.append(row["id"])
            return row
        self.progress(f"{prompt.name}: about {self.expected_wh(prompt):.2g} Wh")
        asked = candidate(prompt, conditions.deployment, conditions.model)
        row = conditions.result(prompt, [*self.path(prompt).answers(asked, conditions.questions)])
        self.experiments.keep(row)
        return row


def open_bench(
    deployment: Deployment,
    model: str,
    *,
    questions: Path,
    split: str,
    limit: int | None,
    experiments: Path,
    history: Path,
    progress: Callable[[str], None],
) -> Bench:
    """Return a bench on the deployed stack.

    Raises
    ------
    UserError
        If a file is not valid, or the stack is not deployed.
    """
    asked = golden.read(
        questions,
        split=None if split == "all" else split,  # type: ignore[arg-type]
        limit=limit,
    )
    kept = Experiments.read(experiments)
    account = Account(deployment)
    environment = account.function_environment("rag.answer_handler.handler")
    deployed = json.loads(environment["ANSWER_SETTINGS"])
    documents = documents_digest(account.documents(), deployment.knowledge)
    who = answered_by(deployment.region)

    def path(prompt: Prompt) -> AnswerPath:
        own = sampling(deployment.answers, prompt)
        merged = deployed | own
        return AnswerPath(
            environment={**environment, "ANSWER_SETTINGS": json.dumps(merged)},
            region=deployment.region,
            documents=documents,
            answered_by=who,
            history=history,
            progress=progress,
        )

    return Bench(
        Conditions(
            deployment=deployment,
            model=model,
            answered_by=who,
            questions=asked,
            documents=documents,
            settings={name: value for name, value in deployed.items() if name not in _ELSEWHERE},
        ),
        kept,
        path,
        progress,
    )
