"""Simulation results of several policies, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sustainability.plan.situation import Situation
from sustainability.report.text import amount, spread, table
from sustainability.simulation.comparison import Result

_PERCENTILES = (0.5, 0.95, 0.99)


def as_text(situation: Situation, results: Sequence[Result]) -> str:
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
    for result in results:
        outcome = result.outcome
        tokens = outcome.bedrock_input_tokens + outcome.bedrock_output_tokens
        rows.append(
            (
                result.policy,
                f"{outcome.attainment:.2%}",
                *(f"{before + outcome.percentile(share):.1f}" for share in _PERCENTILES),
                f"{outcome.instance_hours:,.1f}",
                f"{outcome.bedrock_share:.1%}",
                amount(tokens / 1e6),
                spread(result.impact.kwh),
                spread(result.impact.carbon_g),
            )
        )
    outcome = results[0].outcome
    return "\n".join(
        [
            f"{outcome.questions:,} questions. kWh and gCO2e: middle estimate and range for "
            "generating the answers.",
            "",
            table(header, rows),
        ]
    )


def as_json(situation: Situation, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the results as plain data. Latencies are in seconds."""
    before = situation.seconds("before_generation")
    return [
        {
            "policy": result.policy,
            "questions": result.outcome.questions,
            "attainment": result.outcome.attainment,
            "failed": result.outcome.failed,
            "latency_s": {
                f"p{share * 100:g}": before + result.outcome.percentile(share)
                for share in _PERCENTILES
            },
            "instance_hours": result.outcome.instance_hours,
            "launches": result.outcome.launches,
            "bedrock_share": result.outcome.bedrock_share,
            "bedrock_tokens": {
                "input": result.outcome.bedrock_input_tokens,
                "output": result.outcome.bedrock_output_tokens,
            },
            "kwh": result.impact.kwh.as_list(),
            "gco2e": result.impact.carbon_g.as_list(),
        }
        for result in results
    ]
