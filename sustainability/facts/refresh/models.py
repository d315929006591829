"""Update the parameter counts in ``models.csv`` from EcoLogits.

Run ``pip install -U ecologits``, then ``python -m sustainability.facts.refresh.models``. Rows of
models that EcoLogits does not contain do not change.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from sustainability.facts.lookup import DATA

ECOLOGITS_NAMES = {
    "anthropic.claude-haiku-4-5-20251001-v1:0": "claude-haiku-4-5-20251001",
    "anthropic.claude-haiku-5-5": "claude-haiku-5-5",
    "meta.llama3-1-8b-instruct-v1:0": "meta-llama/Meta-Llama-3.1-8B-Instruct",
    "mistral.ministral-3-14b-instruct": "ministral-14b-2512",
    "mistral.ministral-3-3b-instruct": "ministral-3b-2512",
    "mistral.ministral-3-8b-instruct": "ministral-8b-2512",
    "openai.gpt-oss-120b-1:0": "openai/gpt-oss-120b",
    "openai.gpt-oss-20b-1:0": "openai/gpt-oss-20b",
}
"""By the Bedrock model's id."""


def refreshed(
    rows: Iterable[Mapping[str, str]], known: Mapping[str, Mapping[str, Any]], package: str
) -> Iterator[dict[str, str]]:
    """Yield each row of ``models.csv``, with the numbers of EcoLogits' ``models.json``."""
    for row in rows:
        model, _, kind = row["key"].rpartition("/")
        name = ECOLOGITS_NAMES.get(model)
        if name is None or name not in known:
            yield dict(row)
            continue
        counts = known[name]["architecture"]["parameters"]
        count = counts.get(kind, counts) if isinstance(counts, dict) else counts
        source = f"{package} models.json ({name})"
        if isinstance(count, dict):
            low, high = count["min"], count["max"]
            ends = {"low": f"{low}", "mid": f"{(low + high) / 2}", "high": f"{high}"}
            source = f"{source}: an estimate, because the size is not published"
            confidence = "assumption"
        else:
            ends, confidence = {"low": "", "mid": f"{count}", "high": ""}, "published"
        yield {**row, **ends, "source": source, "confidence": confidence}


def main(table: Path = DATA / "models.csv") -> int:
    """Rewrite the table and return 0."""
    data = json.loads(files("ecologits").joinpath("data/models.json").read_text(encoding="utf-8"))
    known = {entry["name"]: entry for entry in data["models"]}
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        header = list(reader.fieldnames or ())
        rows = list(refreshed(reader, known, f"EcoLogits {version('ecologits')}"))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
