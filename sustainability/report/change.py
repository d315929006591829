"""The change between two footprints as Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from sustainability.footprint.change import Change, Limit
from sustainability.footprint.footprint import Footprint
from sustainability.report.text import amount, markdown, percent

_SCOPES = {"idle": "idle month", "traffic": "month of traffic", "answers": "1,000 answers"}
_NOTABLE = 0.01


def as_markdown(
    names: tuple[str, str],
    before: Footprint,
    after: Footprint,
    changes: Sequence[Change],
    broken: Sequence[tuple[Limit, Change]],
) -> str:
    """Return the changes, the components that cause them, and the limits that are exceeded."""
    rows = [
        (
            f"{_SCOPES[change.scope]}, {change.quantity}",
            f"{amount(change.before)} {change.unit}",
            f"{amount(change.after)} {change.unit}",
            percent(change.share) + (", too close to call" if change.is_noise else ""),
        )
        for change in changes
    ]
    parts = [
        f"### Footprint of `{after.deployment}`: {names[1]} compared with {names[0]}",
        markdown(("middle estimate", "before", "after", "change"), rows),
    ]
    components = _components(before, after)
    if components:
        header = ("component, month of traffic", "before", "after", "what is counted now")
        parts.append(markdown(header, components))
    parts += [
        f"**Limit exceeded:** {limit.scope}.{limit.quantity} changes by {percent(change.share)}; "
        f"the limit is {percent(limit.share)}."
        for limit, change in broken
    ]
    return "\n\n".join(parts)


def _components(before: Footprint, after: Footprint) -> list[tuple[str, str, str, str]]:
    was = {component.name: component for component in before.components}
    now = {component.name: component for component in after.components}
    rows = []
    for name in dict.fromkeys([*was, *now]):
        first = was[name].traffic.carbon_g.mid if name in was else 0.0
        last = now[name].traffic.carbon_g.mid if name in now else 0.0
        if abs(last - first) > _NOTABLE * max(first, last):
            basis = now[name].basis if name in now else "removed"
            rows.append((name, f"{amount(first)} gCO2e", f"{amount(last)} gCO2e", basis))
    return rows
