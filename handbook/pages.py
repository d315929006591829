"""Gathers the pages of the site in one folder, with links that hold there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from handbook import api, diagrams, reference

_FROM_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
_MERMAID = Path("handbook/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js")


def gather(root: Path, target: Path) -> None:
    """Write every page, and what the pages need, to an empty ``target``.

    Pages of the repository's root lie beside those of ``docs/``, and README is the first page. A
    link to a file that is no page becomes its path in code style.
    """
    shutil.rmtree(target, ignore_errors=True)
    docs = target / "docs"
    shutil.copytree(root / "docs", docs)
    for name in _FROM_ROOT:
        shutil.copy(root / name, docs / _name(name))
    shutil.copy(root / "cfn_sustainability" / "README.md", docs / "rule-package.md")
    made = {
        "api-reference.md": api.page(root),
        "settings.md": reference.settings(),
        "commands.md": reference.command_line(),
        "metrics.md": reference.metrics(),
        "diagrams.md": diagrams.page(root),
    }
    for name, text in made.items():
        (docs / name).write_text(text, encoding="utf-8")
    for page in docs.glob("*.md"):
        page.write_text(_with_links(page.read_text(encoding="utf-8"), docs), encoding="utf-8")
    settings = (root / "handbook" / "mkdocs.yml").read_text(encoding="utf-8")
    (target / "mkdocs.yml").write_text(_with_all(settings, docs), encoding="utf-8")
    (docs / "assets").mkdir()
    if (root / _MERMAID).exists():  # else the set-up of the site has not run
        shutil.copy(root / _MERMAID, docs / "assets" / "mermaid.js")


def _with_all(settings: str, docs: Path) -> str:
    """Return the settings of MkDocs, with each page in the navigation that has no place yet."""
    placed = set(re.findall(r"[\w-]+\.md", settings.partition("\nnav:")[2]))
    others = sorted({page.name for page in docs.glob("*.md")} - placed)
    if not others:
        return settings
    return f"{settings}  - More:\n" + "".join(f"      - {name}\n" for name in others)


def _name(file: str) -> str:
    return "index.md" if file == "README.md" else file


def _with_links(text: str, docs: Path) -> str:
    def place(match: re.Match[str]) -> str:
        link, anchor = match[1], match[2] or ""
        if re.match(r"[a-z]+:", link):
            return match[0]
        path = link.removeprefix("../").removeprefix("docs/")
        path = {"README.md": "index.md", "cfn_sustainability/README.md": "rule-package.md"}.get(
            path, path
        )
        if (docs / path).is_file():
            return f"]({path}{anchor})"
        return f"]({_NOWHERE}{path})"

    text = _LINK.sub(place, text)
    return re.sub(rf"\[([^\]]*)\]\({_NOWHERE}([^)]*)\)", r"\1 (`\2`)", text)


_NOWHERE = "nowhere:"
"""Marks a link to a file that the site does not have."""
