"""What the documentation names exists: paths and links. test_docs_commands.py has the commands."""

from __future__ import annotations

import os
import re
import subprocess
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


@pytest.mark.parametrize("shared", [False, True])
def test_clean_takes_what_other_clones_use_only_if_told(shared: bool, tmp_path: Path) -> None:
    """In a folder without an environment: nothing runs there, and nothing is stopped."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / ".local").mkdir()
    cache = tmp_path / "cache" / "sustainable-genai"
    cache.mkdir(parents=True)
    told = ["EVERYWHERE=1"] if shared else []
    environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(["make", "clean", *told], cwd=tmp_path, env=environment, check=True)

    assert not (tmp_path / ".local").exists()
    assert cache.exists() is not shared
