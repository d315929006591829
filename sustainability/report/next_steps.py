"""What to do next, as the end of a report: the step that saves most comes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sustainability.decide.next_steps import LEAST, Step
from sustainability.facts.ranges import Estimate
from sustainability.report.page import section, table
from sustainability.report.text import amount, energy_unit, fitted, in_unit

_NONE = f"No other store, model, service level or Region saves {LEAST:.0%} of the carbon or more."


def as_text(steps: Sequence[Step]) -> str:
    """Return the steps as numbered sentences."""
    if not steps:
        return f"What to do next\n  {_NONE}"
    unit = _unit(steps)
    lines = ["What to do next, most carbon saved first (in a month, each change alone)"]
    for number, step in enumerate(steps, 1):
        condition = f", {step.condition}" if step.condition else ""
        lines.append(
            f"  {number}. {step.setting}{condition}: {_effect(step, unit)}. {_reason(step)}."
        )
    return "\n".join(lines)


def ending(steps: Sequence[Step]) -> str:
    """Return the same as the end of another text; nothing without a step."""
    return f"\n\n{fitted(as_text(steps))}" if steps else ""


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as plain data: what each saves in a month, by the middle estimates."""
    return [
        {
            "setting": step.setting,
            "condition": step.condition or None,
            "kwh": step.kwh,
            "gco2e": step.carbon_g,
            "usd": step.usd,
            "share_of_carbon": step.share,
            "because": _reason(step),
        }
        for step in steps
    ]


def as_html(steps: Sequence[Step]) -> str:
    """Return the steps as a section of a page."""
    unit = _unit(steps)
    rows = [
        (step.setting, _effect(step, unit), step.condition or "always", _reason(step))
        for step in steps
    ]
    header = ("change in the deployment file", "in a month", "when", "because")
    return section(
        "What to do next",
        "Each change alone, planned and estimated like the deployment itself; the one that saves "
        "most carbon comes first.",
        table(header, rows, words=True) if rows else f"<p>{_NONE}</p>",
        wide=True,
    )


def _unit(steps: Sequence[Step]) -> str:
    return energy_unit(max((abs(step.kwh) for step in steps), default=0.0))


def _effect(step: Step, unit: str) -> str:
    saved: list[str] = []
    more: list[str] = []
    for value, shown in (
        (step.kwh, f"{amount(in_unit(Estimate.exact(abs(step.kwh)), unit).mid)} {unit}"),
        (step.carbon_g, f"{amount(abs(step.carbon_g))} gCO2e"),
        (step.usd, f"${abs(step.usd):,.2f}"),
    ):
        if value:
            (saved if value > 0 else more).append(shown)
    told = f"saves {_listed(saved)}"
    return f"{told}; takes {_listed(more)} more" if more else told


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _reason(step: Step) -> str:
    return f"{step.part.name} has {step.part_share:.0%} of the carbon ({step.part.basis})"
