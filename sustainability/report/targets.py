"""Targets: beside the estimate, and beside what the last week took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sustainability.footprint.targets import Estimated, Unit, unit
from sustainability.report.page import section, table
from sustainability.report.text import amount, percent, spread
from sustainability.report.text import table as text_table

_PARTS = {
    "Store": "the knowledge store",
    "Generating": "generating on Bedrock",
    "Embedding": "embedding",
    "Endpoint": "the instances of the endpoint",
    "Functions": "the functions and their requests",
    "Standing": "storage, alarms and the hourly record",
    "Traffic": "the number of answers",
}
_QUALITY = {"answered": "questions answered", "grounded": "grounded in the documents"}
_ESTIMATE = ("target", "at most", "by", "estimate", "middle estimate")
_COURSE = ("target", "at most", "by", "last week", "baseline", "course")


def estimate_as_json(aim: Estimated) -> dict[str, Any]:
    """Return a target and its estimate as plain data, in ``unit``."""
    return {
        "measure": aim.unit.word,
        "per": aim.per,
        "unit": aim.unit.name,
        "at_most": aim.at_most,
        "by": aim.by.isoformat(),
        "estimate": aim.estimate.as_list(),
        "above": aim.above,
    }


def estimate_as_text(aims: Sequence[Estimated]) -> str:
    """Return the targets for a terminal."""
    return (
        f"Targets, and the estimate with the declared traffic\n{_indented(_ESTIMATE, _rows(aims))}"
    )


def estimate_as_html(aims: Sequence[Estimated]) -> str:
    """Return the targets as a section of a page."""
    return section(
        "Targets",
        "The estimate with the declared traffic. `report` shows what was measured.",
        table(_ESTIMATE, _rows(aims), words=True),
        wide=True,
    )


def _rows(aims: Sequence[Estimated]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for aim in aims:
        side = "above" if aim.above > 0 else "below"
        other = (
            aim.estimate.low <= aim.at_most if aim.above > 0 else aim.estimate.high > aim.at_most
        )
        told = f"{abs(aim.above):.0%} {side} the target"
        if other:
            told += f"; the range reaches {'below' if aim.above > 0 else 'above'} it"
        rows.append(
            (*_named(aim.unit, aim.per, aim.at_most, f"{aim.by}"), spread(aim.estimate), told)
        )
    return rows


def _named(of: Unit, per: str, at_most: float, by: str) -> tuple[str, str, str]:
    return f"{of.word} per {per}, {of.name}", amount(at_most), by


def course_as_json(course: Mapping[str, Any]) -> dict[str, Any]:
    """Return the course as plain data: values in kWh, gCO2e, USD and litres."""
    return {name: value for name, value in course.items() if name != "days"}


def course_as_text(course: Mapping[str, Any]) -> str:
    """Return the last week beside the targets and the days before it, for a terminal."""
    lines = [_lead(course)]
    if course["targets"]:
        lines.append(_indented(_COURSE, _measured(course)))
    return "\n".join([*lines, *(f"  {line}" for line in _remarks(course))])


def course_as_html(course: Mapping[str, Any]) -> str:
    """Return the same as a section of a page."""
    body = table(_COURSE, _measured(course), words=True) if course["targets"] else ""
    return section(
        "Targets and quality", " ".join([_lead(course), *_remarks(course)]), body, wide=True
    )


def _lead(course: Mapping[str, Any]) -> str:
    recorded = course["baseline_days"]
    baseline = "the 30 days before that week"
    if recorded < 30:
        baseline += f", of which {recorded} have a record"
    return (
        f"Last week: {course['week_days']} days until {course['day']} (UTC). Baseline: {baseline}."
    )


def _measured(course: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for target in course["targets"]:
        of = unit(target["measure"], target["per"])

        def shown(name: str, target: Mapping[str, Any] = target, of: Unit = of) -> str:
            return "-" if target[name] is None else amount(target[name] * of.per_base)

        told = {
            "unknown": "not known yet: too few answers or days",
            "holds": "holds",
            "missed": "missed",
            "on course": f"on course: {shown('expected')} by then",
            "off course": f"off course: {shown('expected')} by then",
        }[target["state"]]
        if target["week"] is not None:
            over = target["week"] / target["at_most"] - 1
            told += f"; {percent(over)} against the target"
        rows.append(
            (
                *_named(of, target["per"], target["at_most"] * of.per_base, target["by"]),
                *(shown("week"), shown("baseline"), told),
            )
        )
    return rows


def _remarks(course: Mapping[str, Any]) -> list[str]:
    found = []
    if not course["targets"]:
        found.append("No targets are deployed: state footprint.targets, and deploy.")
    if off := course["off"]:
        of = unit(off["measure"], off["per"])
        found.append(
            f"Off target since {off['since']}: {of.word} per {off['per']} is {off['above']:.0%} "
            f"too high. What moved most: {_PARTS[off['part']]}."
        )
    for name, told in course["quality"].items():
        if told["week"] is not None:
            before = (
                "no baseline" if told["baseline"] is None else f"baseline {told['baseline']:.1%}"
            )
            text = f"Of what was written, {told['week']:.1%} is {_QUALITY[name]}"
            if name == "answered":
                text = f"Of the questions, {told['week']:.1%} were answered"
            fell = "; it fell by more than chance" if told["drop"] else ""
            found.append(f"{text} ({before}{fell}).")
    if all(told["week"] is None for told in course["quality"].values()):
        found.append("The quality of answers is not measured: it needs targets or standard.")
    return found


def _indented(header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(
        f"  {line}" for line in text_table(header, rows, left=len(header)).splitlines()
    )
