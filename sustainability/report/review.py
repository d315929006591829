"""What a change does to deployments, as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sustainability.report.text import amount, markdown, percent
from sustainability.versions.review import Reviewed

_SCOPES = {
    "idle_per_month": "idle month",
    "traffic_per_month": "month of traffic",
    "per_1000_answers": "1,000 answers",
}
_QUANTITIES = {"kwh": ("energy", "Wh", 1000.0), "carbon_gco2e": ("carbon", "gCO2e", 1.0),
               "usd": ("cost", "USD", 1.0)}  # fmt: skip
_LONGEST = 60_000
"""GitHub accepts comments of 65,536 characters."""


def as_markdown(reviewed: Sequence[Reviewed], revision: str) -> str:
    """Return footprint and infrastructure of each deployment that changes, and which do not."""
    same = [each.name for each in reviewed if not (_rows(each) or each.stacks or each.refused)]
    parts = [f"### What this change does, compared with `{revision}`"]
    parts += [part for each in reviewed if each.name not in same for part in _deployment(each)]
    if same:
        parts.append(f"Nothing changes in {', '.join(f'`{name}`' for name in same)}.")
    text = "\n\n".join(parts)
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rstrip() + "\n```\n\nThe rest is left out: run `make review`."
    return text


def _deployment(each: Reviewed) -> list[str]:
    parts = [f"#### `{each.name}`"]
    if each.refused:
        return [*parts, "**This deployment is now refused:**", f"```text\n{each.refused}\n```"]
    if each.after is None:
        return [*parts, "This deployment is deleted."]
    rows = _rows(each)
    if rows:
        parts.append(markdown(("middle estimate", "before", "after", "change"), rows))
    else:
        parts.append("The footprint stays the same.")
    for stack, difference in each.stacks.items():
        summary = f"<details><summary>Stack <code>{stack}</code> changes</summary>"
        parts += [summary, f"```text\n{difference}\n```", "</details>"]
    return parts


def _rows(each: Reviewed) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for scope, called in _SCOPES.items():
        for key, (quantity, unit, factor) in _QUANTITIES.items():
            before, after = (_middle(side, scope, key) for side in (each.before, each.after))
            if before == after:
                continue
            was, now = (
                "none" if value is None else f"{amount(value * factor)} {unit}"
                for value in (before, after)
            )
            change = ""
            if before is not None and after is not None:
                change = percent(after / before - 1 if before else float("inf"))
            rows.append((f"{called}, {quantity}", was, now, change))
    return rows


def _middle(estimate: dict[str, Any] | None, scope: str, quantity: str) -> float | None:
    impact = (estimate or {}).get(scope)
    return None if impact is None else float(impact[quantity][1])
