"""Write ``bedrock_prices.csv`` from the package genai-prices, for every model of ``models.csv``.

Run ``pip install -U genai-prices``, then ``python -m sustainability.facts.refresh.bedrock_prices``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sustainability.facts.lookup import COLUMNS, DATA, load_facts

PREFIXES = ("", "regional.", "global.")
"""Prefixes of genai-prices: a model in its Region, with a geographic and with a global profile."""


def rows(
    offers: Iterable[Any], models: Iterable[str], source: str, year: str
) -> Iterator[list[str]]:
    """Yield a row of facts for each price of each model; ``offers`` have ``id`` and ``prices``."""
    wanted = {prefix + model for model in models for prefix in PREFIXES}
    for offer in sorted(offers, key=lambda offer: offer.id):
        if offer.id in wanted:
            for direction in ("input", "output"):
                price = getattr(offer.prices, f"{direction}_mtok")
                if price is not None:
                    usd = getattr(price, "base", price)
                    yield [
                        f"{offer.id}/{direction}", "", f"{usd}", "",
                        "USD/million tokens", year, source, "third party",
                    ]  # fmt: skip


def main(target: Path = DATA / "bedrock_prices.csv") -> int:
    """Write the table and return 0."""
    from genai_prices.data import providers  # type: ignore[import-not-found]

    offers = next(provider for provider in providers if provider.id == "aws").models
    models = sorted({key.rpartition("/")[0] for key in load_facts("models")})
    source = f"PyPI genai-prices {version('genai-prices')} (MIT), provider aws"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(offers, models, source, str(date.today().year)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
