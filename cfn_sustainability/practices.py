"""The best practices behind the rules: their titles, and how those are met that no rule enforces.

``practices.csv`` holds the titles as in the Generative AI, Machine Learning and Agentic AI Lenses
and the Sustainability Pillar of the AWS Well-Architected Framework; ``data/practice_steps.csv``
what each asks for, in our words, and the words by which a rule shows that it is about that.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cfn_sustainability.rule import Demand, Rule

_AWS = "https://docs.aws.amazon.com/wellarchitected/latest"
_LENSES = {
    "GENSUS": "generative-ai-lens",
    "GENCOST": "generative-ai-lens",
    "GENPERF": "generative-ai-lens",
    "MLSUS": "machine-learning-lens",
    "AGENTSUS": "agentic-ai-lens",
}
_PILLAR_PAGES = {
    "01": "region",
    "02": "user",
    "03": "software",
    "04": "data",
    "05": "hardware",
    "06": "dev",
}


@dataclass(frozen=True, slots=True)
class Practice:
    """One best practice."""

    title: str
    without_rule: str
    """Why no rule enforces it and what does instead; empty where rules do."""
    url: str
    """AWS's page about it."""


def _url(identifier: str) -> str:
    """Return the page of a practice such as ``MLSUS05-BP03`` or ``SUS05-BP02``."""
    question, _, number = identifier.partition("-BP")
    if lens := _LENSES.get(question[:-2]):
        return f"{_AWS}/{lens}/{identifier.lower()}.html"
    page = _PILLAR_PAGES[question[-2:]]
    # The pillar's own numbering: all pages but the last chapter's begin with 2.
    return f"{_AWS}/sustainability-pillar/sus_sus_{page}_a{int(number) + (page != 'dev')}.html"


def step_of(demand: Demand, practice: str) -> str | None:
    """Return the step of a practice that a rule serves; None where its text fits none."""
    types = demand.resources if isinstance(demand, Rule) else ()
    text = " ".join((demand.name, *types, demand.what, demand.why, demand.fix))
    for step, concerns in _steps().get(practice, ()):
        if concerns.search(text):
            return step
    return None


@cache
def _steps() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    text = files("cfn_sustainability").joinpath("data", "practice_steps.csv")
    for row in csv.DictReader(text.read_text(encoding="utf-8").splitlines()):
        step = row["step"], re.compile(row["concerns"], re.IGNORECASE)
        found.setdefault(row["practice"], []).append(step)
    return found


@cache
def load_practices() -> dict[str, Practice]:
    """Return the practices by identifier."""
    text = files("cfn_sustainability").joinpath("practices.csv").read_text(encoding="utf-8")
    return {
        row["practice"]: Practice(row["title"], row["without_rule"], _url(row["practice"]))
        for row in csv.DictReader(text.splitlines())
    }
