"""A serving plan as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sustainability.decide.what_if import Alternative
from sustainability.deployment.schema import Deployment
from sustainability.energy.impact import UNITS
from sustainability.energy.verdict import doubts
from sustainability.facts.ranges import Estimate
from sustainability.plan.serving_plan import DemandThreshold, ServingPlan
from sustainability.report.page import folded, section
from sustainability.report.page import table as html_table
from sustainability.report.text import amount, percent, table

VERSION = 1
"""Of the JSON; ``docs/schemas/plan.schema.json`` describes it."""


def as_text(deployment: Deployment, plan: ServingPlan, alternatives: Sequence[Alternative]) -> str:
    """Return the plan, its reasons, and a table of the monthly footprint of each alternative."""
    blocks = [
        headline(deployment, plan),
        table(("", "plan"), _rows(deployment, plan)),
        "Why\n"
        + "\n".join(f"  {number}. {reason}" for number, reason in enumerate(plan.reasons, 1)),
    ]
    if plan.other_modes:
        compared = table(*_others(plan))
        blocks.append(f"Compared with the best plan of each other mode\n{compared}")
    if plan.schedule:
        blocks.append(
            "Schedule\n"
            + table(
                ("", "minimum copies"),
                [(action.schedule, str(action.min_copies)) for action in plan.schedule],
            )
        )
    if len(alternatives) > 1:
        blocks.append(_comparison(alternatives))
    return "\n\n".join(blocks)


def headline(deployment: Deployment, plan: ServingPlan) -> str:
    """Return the mode, and what is doubtful about it: a tie, or a disadvantage in the rest."""
    but = doubts({other.mode: other.compared for other in plan.other_modes})
    return f"{deployment.name}: mode {plan.mode}" + (f", but {but}" if but else "")


def as_section(deployment: Deployment, plan: ServingPlan) -> str:
    """Return the decision, its reasons and the comparison with other modes, as HTML."""
    reasons = [(reason,) for reason in plan.reasons]
    body = html_table(*_others(plan), words=True) if plan.other_modes else ""
    return section(
        "How it is served",
        f"{headline(deployment, plan)}.",
        body + folded("Why", html_table(("reason",), reasons, words=True)),
        wide=True,
    )


def _others(plan: ServingPlan) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the comparison with the best plan of each other mode."""
    rows: list[tuple[str, ...]] = [
        (
            f"{other.mode}{f' ({other.instance_type})' if other.instance_type else ''}: "
            f"{row.quantity}, {UNITS[row.quantity]}",
            amount(row.other),
            amount(row.chosen),
            percent(row.share),
            str(row.verdict),
        )
        for other in plan.other_modes
        for row in other.compared
    ]
    return ("a month of answers", "there", str(plan.mode), "difference", "verdict"), rows


def as_json(
    deployment: Deployment, plan: ServingPlan, alternatives: Sequence[Alternative]
) -> dict[str, Any]:
    """Return the same as plain data."""
    return {
        "version": VERSION,
        "deployment": deployment.name,
        "headline": headline(deployment, plan),
        "plan": _dict(plan),
        "schedule": [action.schedule for action in plan.schedule],
        "what_if": [
            {
                "changes": other.changes,
                "obstacle": other.obstacle,
                "plan": _dict(other.plan) if other.plan else None,
                "month": _month(other),
            }
            for other in alternatives[1:]
        ],
    }


def _rows(deployment: Deployment, plan: ServingPlan) -> list[tuple[str, str]]:
    rows = [("answers from Bedrock", f"{plan.bedrock_share:.0%}")]
    if plan.instance_type is not None:
        assert plan.model is not None
        rows += [
            ("model", plan.model.name),
            ("precision", f"{plan.model.weight_bits}-bit weights"),
            ("instance type", plan.instance_type),
            ("copies per instance", str(plan.copies_per_instance)),
            ("instance-hours per month", amount(plan.expected_instance_hours)),
            ("utilization of running instances", f"{plan.expected_utilization:.0%}"),
        ]
    if plan.max_copies:
        rows.append(("copies", f"{plan.min_copies} to {plan.max_copies}"))
    if plan.expected_attainment is not None:
        rows.append(("answers in time", f"{plan.expected_attainment:.2%}"))
    targets = (
        ("target: questions per minute and copy", plan.target_invocations_per_minute),
        ("target: concurrent requests per copy", plan.target_concurrency),
        ("target: queued questions per copy", plan.target_backlog),
        ("longest wait for the endpoint, s", plan.patience_s),
    )
    rows += [(name, amount(value)) for name, value in targets if value is not None]
    rows += [
        (name, _threshold(threshold))
        for name, threshold in (("starts from", plan.wake), ("stops below", plan.sleep))
        if threshold
    ]
    if plan.batch:
        hours = ", ".join(f"{hour}:00" for hour in plan.batch.hours)
        rows.append((f"windows open at ({deployment.traffic.timezone})", hours))
    return rows


def _threshold(threshold: DemandThreshold) -> str:
    minutes = threshold.period_s * threshold.datapoints // 60
    return f"{amount(threshold.questions_per_hour)} questions/h for {minutes} min"


def _comparison(alternatives: Sequence[Alternative]) -> str:
    rows, obstacles = [], []
    for other in alternatives:
        if other.plan is None or other.footprint is None:
            rows.append((other.changes, "not possible", *[""] * 6))
            obstacles.append(f"{other.changes}: {other.obstacle}")
            continue
        month = other.footprint.traffic
        rows.append(
            (
                other.changes,
                other.plan.mode,
                f"{other.plan.min_instances} to {other.plan.max_instances}",
                amount(other.plan.expected_instance_hours),
                amount(month.kwh.mid),
                amount(month.carbon_g.mid),
                amount(month.usd.mid),
                ""
                if other.plan.expected_attainment is None
                else f"{other.plan.expected_attainment:.2%}",
            )
        )
    header = (
        "per month", "mode", "instances", "instance-hours", "kWh", "gCO2e", "USD", "in time"
    )  # fmt: skip
    notes = ["Middle estimates for the whole deployment.", *obstacles]
    return "\n".join(["What if", table(header, rows, left=2), "", *notes])


def _month(other: Alternative) -> dict[str, list[float]] | None:
    if other.footprint is None:
        return None
    month = other.footprint.traffic
    return {
        "kwh": month.kwh.as_list(),
        "gco2e": month.carbon_g.as_list(),
        "usd": month.usd.as_list(),
    }


def _dict(plan: ServingPlan) -> dict[str, Any]:
    def numbers(items: list[tuple[str, Any]]) -> dict[str, Any]:
        return {
            name: value.as_dict() if isinstance(value, Estimate) else value for name, value in items
        }

    return asdict(plan, dict_factory=numbers)
