"""The page of practices: each piece of evidence exists, and each practice has an answer."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from cfn_sustainability.practices import load_practices
from cfn_sustainability.rules import ALL
from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment
from sustainability.report.practices import Evidence, Practice, page, practices

ROOT = Path(__file__).parents[3]
PARTS = practices()
PRACTICES = [practice for rows in PARTS.values() for practice in rows]
EVIDENCE = sorted({str(piece): piece for row in PRACTICES for piece in row.by}.items())


@pytest.mark.parametrize("piece", [piece for _, piece in EVIDENCE], ids=lambda piece: piece.name)
def test_the_evidence_exists(piece: Evidence) -> None:
    if piece.kind == "path":
        assert (ROOT / piece.name).exists()
        if piece.within:
            text = (ROOT / piece.name).read_text(encoding="utf-8")
            assert re.search(rf"^(class|def|async def) {piece.within}\b", text, re.MULTILINE)
    elif piece.kind == "alarm":
        assert f"\n### {piece.name}\n" in (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    elif piece.kind == "setting":
        assert is_setting(piece.name)
    else:
        assert piece.name in NAMES[piece.kind]()


def commands() -> set[str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main(["--help"])
    return set(re.findall(r"^    ([a-z-]+)", output.getvalue(), re.MULTILINE))


def metrics() -> set[str]:
    text = (ROOT / "sustainability/facts/data/metrics.csv").read_text(encoding="utf-8")
    return {row["metric"] for row in csv.DictReader(text.splitlines())}


NAMES = {"command": commands, "metric": metrics, "rule": lambda: {rule.name for rule in ALL}}


def is_setting(path: str) -> bool:
    model: type[BaseModel] = Deployment
    *sections, last = path.split(".")
    for name in sections:
        kind = model.model_fields[name].annotation
        kinds = get_args(kind) or (kind,)
        model = next(one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel))
    return last in model.model_fields


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda practice: practice.name)
def test_a_practice_says_what_does_it_or_why_not(practice: Practice) -> None:
    assert practice.by or practice.lacks


def test_every_practice_of_the_framework_is_answered() -> None:
    named = [practice.name for practice in PARTS["AWS Well-Architected Framework"]]
    assert sorted(named) == sorted(load_practices())


def test_the_page_is_current() -> None:
    text = (ROOT / "docs/practices.md").read_text(encoding="utf-8")
    assert text == page(), "run: python -m sustainability.report.practices > docs/practices.md"
