"""Bedrock compared with your own instances, as text, JSON and a page with two charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sustainability.decide.break_even_curves import Curve, Meeting
from sustainability.decide.next_steps import Step
from sustainability.deployment.schema import Deployment, Objective
from sustainability.energy.verdict import Verdict
from sustainability.plan.break_even import BreakEven
from sustainability.report import charts, next_steps
from sustainability.report.page import page, section, table
from sustainability.report.text import amount
from sustainability.report.text import table as text_table

_HEADER = (
    "instance",
    "full load",
    *(f"{objective.value} break-even" for objective in Objective),
)
_BUSIEST_HEADER = (
    "busiest hour, instance against Bedrock",
    *(objective.value for objective in Objective),
)
_NEVER = "never"
Points = tuple[tuple[float, float], ...]
EXPLANATION = (
    "All values are requests per hour. Full load: the most that one instance can answer. "
    "Break-even: above this rate, a running instance has a lower footprint than the standard tier "
    "of Bedrock (middle estimate and range). Never: even at full load, a request on the instance "
    "has a higher footprint, because on Bedrock many customers share each batch."
)


def _rate(value: float) -> str:
    return _NEVER if math.isinf(value) else amount(value)


def _cell(found: BreakEven) -> str:
    if found.low == found.high:
        return _rate(found.mid)
    return f"{_rate(found.mid)} ({_rate(found.low)} to {_rate(found.high)})"


def _rows(meetings: Sequence[Meeting]) -> list[tuple[str, ...]]:
    return [
        (
            meeting.offer.instance_type,
            f"{meeting.offer.full_per_hour:,.0f}",
            *(_cell(meeting.rates[objective]) for objective in Objective),
        )
        for meeting in meetings
    ]


def _busiest(deployment: Deployment, meetings: Sequence[Meeting]) -> list[tuple[str, ...]]:
    return [
        (
            meeting.offer.instance_type,
            *(str(verdict) for verdict in _verdicts(deployment, meeting).values()),
        )
        for meeting in meetings
    ]


def _verdicts(deployment: Deployment, meeting: Meeting) -> dict[Objective, Verdict]:
    """Compare the busiest hour on full instances, or on one that is not full, with Bedrock."""
    rate = min(deployment.traffic.peak_per_hour, meeting.offer.full_per_hour)
    return {objective: found.at(rate) for objective, found in meeting.rates.items()}


def _lead(deployment: Deployment) -> str:
    traffic = deployment.traffic
    return (
        f"{deployment.answers.generator} on Bedrock compared with instances in "
        f"{deployment.region}. {amount(traffic.input_tokens.mean)} input tokens and "
        f"{amount(traffic.output_tokens.mean)} output tokens per request. The busiest hour has "
        f"{amount(traffic.peak_per_hour)} questions."
    )


def as_text(deployment: Deployment, meetings: Sequence[Meeting]) -> str:
    """Return the break-even table."""
    return "\n\n".join(
        (
            _lead(deployment),
            text_table(_HEADER, _rows(meetings)),
            EXPLANATION,
            text_table(_BUSIEST_HEADER, _busiest(deployment, meetings)),
        )
    )


def as_json(
    deployment: Deployment, curves: Sequence[Curve], meetings: Sequence[Meeting]
) -> dict[str, Any]:
    """Return curves and break-even rates; a rate that is never reached is ``null``."""
    return {
        "busiest_hour": {
            meeting.offer.instance_type: {
                objective.value: {
                    "chance_of_less_than_bedrock": verdict.chance,
                    "too_close_to_call": verdict.too_close,
                }
                for objective, verdict in _verdicts(deployment, meeting).items()
            }
            for meeting in meetings
        },
        "break_even_requests_per_hour": {
            meeting.offer.instance_type: {
                objective.value: [
                    None if math.isinf(rate) else rate
                    for rate in (found.low, found.mid, found.high)
                ]
                for objective, found in meeting.rates.items()
            }
            for meeting in meetings
        },
        "curves": [
            {"name": curve.name, "wh_per_hour": curve.energy_wh, "usd_per_hour": curve.usd}
            for curve in curves
        ],
    }


def as_html(
    deployment: Deployment,
    curves: Sequence[Curve],
    meetings: Sequence[Meeting],
    steps: Sequence[Step],
) -> str:
    """Return the page; ``steps`` is what to do next."""
    energy = _distinct([(curve.name, curve.energy_wh) for curve in curves])
    cost = _distinct([(curve.name, curve.usd) for curve in curves])
    sections = [
        section(
            "Energy", "Wh at the wall per hour, middle estimate. An instance uses its idle power "
            "even with a single request.",
            charts.lines("Energy per hour", energy, "requests per hour", "Wh per hour"),
        ),
        section(
            "Cost", "USD per hour. The flex tier and batch jobs cost less, but answer later.",
            charts.lines("Cost per hour", cost, "requests per hour", "USD per hour"),
        ),
        section("Break-even", EXPLANATION, table(_HEADER, _rows(meetings), words=True), wide=True),
        section(
            "In the busiest hour", "Instances that share the questions of the busiest hour, "
            "against Bedrock. Less or more is said if it is so in 9 of 10 simulations.",
            table(_BUSIEST_HEADER, _busiest(deployment, meetings), words=True), wide=True,
        ),
        section(
            "The curves as a table", "For each power of ten.", _values(curves), wide=True,
        ),
        next_steps.as_html(steps),
    ]  # fmt: skip
    return page(f"Bedrock or an instance for {deployment.name}", _lead(deployment), sections)


def _distinct(named: Sequence[tuple[str, Points]]) -> list[charts.Line]:
    """Draw curves that coincide as one, named after all of them."""
    names: dict[Points, list[str]] = {}
    for name, points in named:
        names.setdefault(points, []).append(name)
    return [
        charts.Line(", ".join([first, *(name.split()[-1] for name in others)]), points)
        for points, (first, *others) in names.items()
    ]


def _values(curves: Sequence[Curve]) -> str:
    rates = [rate for rate, _ in curves[0].usd]
    shown = [index for index, rate in enumerate(rates) if math.log10(rate).is_integer()]
    header = ("way to answer", *(f"{rates[index]:,.0f}/h" for index in shown))
    return "".join(
        f"<h3>{heading}</h3>"
        + table(
            header,
            [(name, *(amount(values[index][1]) for index in shown)) for name, values in rows],
        )
        for heading, rows in (
            ("Energy in Wh per hour", [(curve.name, curve.energy_wh) for curve in curves]),
            ("Cost in USD per hour", [(curve.name, curve.usd) for curve in curves]),
        )
    )
