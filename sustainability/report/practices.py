"""The page ``docs/practices.md``: what each practice asks, and what does it in this repository.

    python -m sustainability.report.practices > docs/practices.md

``data/practices.yaml`` says it; titles and rules of the Well-Architected Framework come from the
rules' own package. A test checks that each piece of evidence exists.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

from cfn_sustainability.practices import load_practices
from cfn_sustainability.rules import ALL

_INTRODUCTION = """# Practices, and what does them here

What sustainable generative AI asks for, in our words, and where this repository does it. The last
part has the practices of the AWS Well-Architected Framework that concern sustainability. "Not done"
says what is missing, or why. A test fails when a file, command, rule, alarm, setting or metric that
is named here no longer exists.

Generated: `python -m sustainability.report.practices > docs/practices.md`.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that does a practice."""

    kind: str
    """``path``, ``command``, ``rule``, ``alarm``, ``setting`` or ``metric``."""
    name: str
    within: str = ""
    """Of a path: what in the file does it; empty for the whole file."""

    def __str__(self) -> str:
        """Return it in Markdown, with a link where there is a page."""
        if self.kind == "path":
            place = self.name.removeprefix("docs/") if self.name.startswith("docs/") else ""
            link = f"[`{self.name}`]({place or f'../{self.name}'})"
            return f"`{self.within}` in {link}" if self.within else link
        if self.kind == "command":
            return f"`python -m sustainability {self.name}`"
        if self.kind == "rule":
            return f"rule [{self.name}](rules.md#sustainability-{self.name.lower()})"
        if self.kind == "alarm":
            return f"alarm [{self.name}](runbook.md#{self.name.lower()})"
        return f"{self.kind} `{self.name}`"


@dataclass(frozen=True, slots=True)
class Practice:
    """What is asked, what does it, and what is not done."""

    name: str
    asks: str
    by: tuple[Evidence, ...]
    lacks: str


def evidence(text: str) -> Evidence:
    """Return a piece of evidence as the data names it: ``alarm:Wasting``, ``app.py::main``."""
    kind, colon, name = text.partition(":")
    if colon and not name.startswith(":"):
        return Evidence(kind, name)
    path, _, within = text.partition("::")
    return Evidence("path", path, within)


def practices() -> dict[str, list[Practice]]:
    """Return the practices by the part of the page."""
    text = files("sustainability.report").joinpath("data", "practices.yaml").read_text("utf-8")
    parts: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    titles = load_practices()
    return {
        part: [
            Practice(
                name,
                asks=row.get("asks") or titles[name].title,
                by=tuple(map(evidence, row.get("by", ()))),
                lacks=row.get("lacks", ""),
            )
            for name, row in rows.items()
        ]
        for part, rows in parts.items()
    }


def page() -> str:
    """Return the page in Markdown."""
    lines = [_INTRODUCTION]
    for part, rows in practices().items():
        lines += [f"## {part}", "", "| Practice | Done by | Not done |", "| --- | --- | --- |"]
        lines += [f"| {_asked(row)} | {_done(row)} | {row.lacks} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _asked(practice: Practice) -> str:
    known = load_practices().get(practice.name)
    return f"[{practice.name}]({known.url}): {practice.asks}" if known else practice.asks


def _done(practice: Practice) -> str:
    done = [str(piece) for piece in practice.by]
    rules = sum(practice.name in rule.practices for rule in ALL)
    if rules:
        done.append(f"{rules} [rule{'s' if rules > 1 else ''}](rules.md#by-practice)")
    return "; ".join(done)


if __name__ == "__main__":
    sys.stdout.write(page())
