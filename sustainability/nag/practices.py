"""The best practices behind the rules: their titles, and how those are met that no rule enforces.

``practices.csv`` holds the titles as in the Generative AI, Machine Learning and Agentic AI Lenses
and the Sustainability Pillar of the AWS Well-Architected Framework.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Practice:
    """One best practice."""

    title: str
    without_rule: str
    """Why no rule enforces it and what does instead; empty where rules do."""


def load_practices() -> dict[str, Practice]:
    """Return the practices by identifier."""
    text = files("sustainability.nag").joinpath("practices.csv").read_text(encoding="utf-8")
    return {
        row["practice"]: Practice(row["title"], row["without_rule"])
        for row in csv.DictReader(text.splitlines())
    }
