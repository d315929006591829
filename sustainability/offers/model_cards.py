"""The catalogue of generators: context, languages, and the card to read before a trial."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from sustainability.facts.lookup import DATA


@dataclass(frozen=True)
class ModelCard:
    """A row of ``facts/data/model_cards.csv``. What no source states is left out."""

    model: str
    context_tokens: int | None
    languages: str
    """Empty if the source states none."""
    url: str
    source: str
    """Where context and languages are stated."""


@cache
def model_cards() -> dict[str, ModelCard]:
    """Return the rows by the Bedrock model's id."""
    with (DATA / "model_cards.csv").open(encoding="utf-8", newline="") as lines:
        return {
            row["model"]: ModelCard(
                model=row["model"],
                context_tokens=int(row["context_tokens"]) if row["context_tokens"] else None,
                languages=row["languages"],
                url=row["card"],
                source=row["source"],
            )
            for row in csv.DictReader(lines)
        }
