"""Simulation results of several policies, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sustainability.plan.situation import Situation
from sustainability.report.text import amount, spread, table
from sustainability.simulation.comparison import Comparison, Result

VERSION = 1
"""Of the JSON; ``docs/schemas/simulate.schema.json`` describes it."""
_PERCENTILES = (0.5, 0.95, 0.99)


def as_text(situation: Situation, comparison: Comparison) -> str:
    """Return one table. Latencies are from the question to the last token."""
    before = situation.seconds("before_generation")
    header = (
        "policy",
        "in time",
        *(f"p{share * 100:g} s" for share in _PERCENTILES),
        "instance-hours",
        "from Bedrock",
        "million tokens on Bedrock",
        "kWh",
        "gCO2e",
    )
    rows = []
    for result in _all(comparison):
        outcome = result.outcome
        tokens = outcome.bedrock_input_tokens + outcome.bedrock_output_tokens
        rows.append(
            (
                result.policy,
                f"{outcome.attainment:.2%}",
                *(
                    f"{before + outcome.percentile(share):.1f}" if outcome.latencies else "-"
                    for share in _PERCENTILES
                ),
                f"{outcome.instance_hours:,.1f}",
                f"{outcome.bedrock_share:.1%}",
                amount(tokens / 1e6),
                spread(result.impact.kwh),
                spread(result.impact.carbon_g),
            )
        )
    return "\n".join(
        [
            f"{comparison.plan.outcome.questions:,} questions. kWh and gCO2e: middle estimate and "
            "range for generating the answers.",
            "",
            table(header, rows),
            *_verdict(comparison),
        ]
    )


def as_json(situation: Situation, comparison: Comparison) -> dict[str, Any]:
    """Return the results as plain data. Latencies are in seconds."""
    return {
        "version": VERSION,
        "attainment": comparison.attainment,
        "policies": [_policy(situation, result) for result in comparison.results],
        "oracle": comparison.oracle and _policy(situation, comparison.oracle),
        "ratio_to_oracle": comparison.ratio,
        "compared_in": comparison.unit,
    }


def _policy(situation: Situation, result: Result) -> dict[str, Any]:
    before, outcome = situation.seconds("before_generation"), result.outcome
    return {
        "policy": result.policy,
        "questions": outcome.questions,
        "attainment": outcome.attainment,
        "failed": outcome.failed,
        "latency_s": {
            f"p{share * 100:g}": before + outcome.percentile(share) if outcome.latencies else None
            for share in _PERCENTILES
        },
        "instance_hours": outcome.instance_hours,
        "launches": outcome.launches,
        "bedrock_share": outcome.bedrock_share,
        "bedrock_tokens": {
            "input": outcome.bedrock_input_tokens,
            "output": outcome.bedrock_output_tokens,
        },
        "kwh": result.impact.kwh.as_list(),
        "gco2e": result.impact.carbon_g.as_list(),
    }


def _all(comparison: Comparison) -> list[Result]:
    return [*comparison.results, *([comparison.oracle] if comparison.oracle else [])]


def _verdict(comparison: Comparison) -> Iterator[str]:
    """Yield how the plan compares with the oracle, with the share in time of both."""
    if comparison.unit is None:
        return
    level = f"{comparison.attainment * 100:.4g} %"
    if comparison.oracle is None:
        yield f"\nNo fleet keeps {level} in time with this traffic, however large it is."
    elif comparison.ratio is None:
        yield f"\nThe oracle needs nothing to keep {level} in time."
    else:
        yield (
            f"\nThe plan takes {comparison.ratio:.2f} times the {comparison.unit} of the oracle. "
            f"In time: {comparison.plan.outcome.attainment:.2%} with the plan, "
            f"{comparison.oracle.outcome.attainment:.2%} with the oracle; the service level asks "
            f"for {level}."
        )
