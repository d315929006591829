"""What a change does to deployments, as text for a terminal and as a comment on GitHub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sustainability.report.text import amount, markdown, percent, table
from sustainability.versions.review import Reviewed

_SCOPES = {
    "idle_per_month": "idle month",
    "traffic_per_month": "month of traffic",
    "per_1000_answers": "1,000 answers",
}
_QUANTITIES = {"kwh": ("energy", "Wh", 1000.0), "carbon_gco2e": ("carbon", "gCO2e", 1.0),
               "usd": ("cost", "USD", 1.0)}  # fmt: skip
_HEADER = ("middle estimate", "before", "after", "change")
_LONGEST = 60_000
"""GitHub accepts comments of 65,536 characters."""
_WIDEST = 300
"""Of a line of a difference: a setting that is a whole document has thousands of characters."""


def as_text(reviewed: Sequence[Reviewed], revision: str) -> str:
    """Return footprint and infrastructure of each deployment that changes, and which do not.

    The differences in infrastructure are long, so those in the footprint come first.
    """
    parts = [f"What this change does, compared with {revision}"]
    for each in reviewed:
        if each.refused:
            parts.append(f"{each.name}: this deployment is now refused:\n{each.refused}")
        elif each.after is None:
            parts.append(f"{each.name}: this deployment is deleted.")
        elif rows := _rows(each):
            parts.append(f"{each.name}\n{table(_HEADER, rows)}")
        elif each.stacks:
            parts.append(f"{each.name}: the footprint stays the same.")
    parts += [_shortened(each.stacks[stack]) for each in reviewed for stack in each.stacks]
    return "\n\n".join([*parts, *_unchanged(reviewed)])


def as_markdown(reviewed: Sequence[Reviewed], revision: str) -> str:
    """Return the same as a comment: the differences in infrastructure are folded."""
    changed = [each for each in reviewed if _changes(each)]
    parts = [f"### What this change does, compared with `{revision}`"]
    parts += [part for each in changed for part in _deployment(each)]
    text = "\n\n".join([*parts, *_unchanged(reviewed)])
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rstrip() + "\n```\n\nThe rest is left out: run `make review`."
    return text


def _changes(each: Reviewed) -> bool:
    return bool(_rows(each) or each.stacks or each.refused)


def _unchanged(reviewed: Sequence[Reviewed]) -> list[str]:
    same = ", ".join(f"`{each.name}`" for each in reviewed if not _changes(each))
    return [f"Nothing changes in {same}."] if same else []


def _shortened(difference: str) -> str:
    return "\n".join(
        f"{line[:_WIDEST]} … ({len(line) - _WIDEST:,} characters more)"
        if len(line) > _WIDEST
        else line
        for line in difference.strip().splitlines()
    )


def _deployment(each: Reviewed) -> list[str]:
    parts = [f"#### `{each.name}`"]
    if each.refused:
        return [*parts, "**This deployment is now refused:**", f"```text\n{each.refused}\n```"]
    if each.after is None:
        return [*parts, "This deployment is deleted."]
    rows = _rows(each)
    if rows:
        parts.append(markdown(_HEADER, rows))
    else:
        parts.append("The footprint stays the same.")
    for stack, difference in each.stacks.items():
        summary = f"<details><summary>Stack <code>{stack}</code> changes</summary>"
        parts += [summary, f"```text\n{_shortened(difference)}\n```", "</details>"]
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
