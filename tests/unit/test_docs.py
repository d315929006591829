"""What the documentation names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("cfn_sustainability/*.md")])
_FOLDERS = ("app.py", "benchmarks", "cfn_sustainability", "containers", "deployments", "docs",
            "lambdas", "local", "prompts", "samples", "stacks", "sustainability", "tests",
            "training", "requirements")  # fmt: skip
_PATH = re.compile(rf"`((?:{'|'.join(_FOLDERS)})(?:/[\w.\-]+)+/?)`")
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_and_links_of_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [
        path for path in _PATH.findall(text) if "NAME" not in path and not (ROOT / path).exists()
    ]
    missing += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]

    assert not missing
