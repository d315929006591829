"""Prompts, their prices and their experiments as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sustainability.decide.prompts.price import Price
from sustainability.decide.prompts.search import Found
from sustainability.deployment.prompts import Prompt
from sustainability.report.text import amount, spread, table

_PRICES = ("prompt", "recipe", "requests", "input tokens", "output tokens", "Wh", "USD")
_SCORES = (
    *("prompt", "recipe", "right", "groundedness", "input tokens", "output tokens", "Wh", "stood"),
)


def prices_as_text(prices: Mapping[Prompt, Price], model: str) -> str:
    """Return what an answer takes by each prompt."""
    rows = [
        [
            prompt.name,
            prompt.recipe,
            str(prompt.calls),
            amount(price.input_tokens),
            amount(price.output_tokens),
            spread(price.per_1000.kwh * 1000),
            spread(price.per_1000.usd),
        ]
        for prompt, price in prices.items()
    ]
    return "\n".join(
        [
            table(_PRICES, rows, left=2),
            "",
            f"Estimates for {model}. Requests and tokens are for one answer, Wh and USD for 1,000 "
            "answers, generation only.",
        ]
    )


def prices_as_json(prices: Mapping[Prompt, Price]) -> list[dict[str, Any]]:
    """Return the same as plain data."""
    return [
        {
            "prompt": prompt.name,
            "recipe": prompt.recipe,
            "requests": prompt.calls,
            "input_tokens": round(price.input_tokens, 1),
            "output_tokens": round(price.output_tokens, 1),
            "wh_per_1000": (price.per_1000.kwh * 1000).as_dict(),
            "usd_per_1000": price.per_1000.usd.as_dict(),
        }
        for prompt, price in prices.items()
    ]


def experiments_as_text(
    rows: Sequence[Mapping[str, Any]], stood: Sequence[str], *, embedded: bool
) -> str:
    """Return the experiments as a table, the best first; ``stood`` are those not made again."""
    ranked = sorted(rows, key=lambda row: (-row["right"], row["wh_per_1000"]["mid"]))
    cells = [
        [
            row["prompt"],
            row["recipe"],
            f"{row['right']} of {row['questions']}",
            "-" if row["groundedness"] is None else f"{row['groundedness']:.2f}",
            amount(row["input_tokens"]),
            amount(row["output_tokens"]),
            amount(row["wh_per_1000"]["mid"]),
            "yes" if row["id"] in stood else "no",
        ]
        for row in ranked
    ]
    first = ranked[0]
    lines = [
        table(_SCORES, cells, left=2),
        "",
        f"Answered by {first['answered_by']}; tokens are measured, Wh are estimates for 1,000 "
        f"answers of {first['model']}.",
        "Stood: the experiment was in the file and nobody was asked again.",
    ]
    if embedded:
        lines.append("The scores are those of the local model and say nothing about the named one.")
    return "\n".join(lines)


def found_as_text(found: Found, prompt: Prompt) -> str:
    """Return what a search found."""
    base = found.tried[0]
    text = (
        f"{len(found.tried)} prompts tried, {amount(found.spent_wh)} Wh; {found.ended_by}. "
        f"Best: {prompt.name}, {found.row['right']} of {found.row['questions']} right with "
        f"{amount(found.row['wh_per_1000']['mid'])} Wh for 1,000 answers; the base has "
        f"{base['right']} with {amount(base['wh_per_1000']['mid'])} Wh."
    )
    if found.row is base:
        return f"{text}\nNo change was better. The prompt stays as it is."
    return (
        f"{text}\nThe choice was made on these questions: compare both prompts on others "
        "(--split report) before you deploy."
    )


def found_as_json(found: Found, prompt: Prompt) -> dict[str, Any]:
    """Return the same as plain data, with the prompt."""
    return {
        "tried": list(found.tried),
        "best": dict(found.row),
        "prompt": prompt.content,
        "spent_wh": found.spent_wh,
        "ended_by": found.ended_by,
    }
