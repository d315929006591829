"""The comparison of candidate models as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sustainability.decide.model_choice.candidates import Candidate
from sustainability.decide.model_choice.choice import Bar, Choice, Result
from sustainability.energy.verdict import doubts
from sustainability.report import charts
from sustainability.report.page import page, section
from sustainability.report.page import table as html_table
from sustainability.report.text import amount, spread, table

_HEADER = (
    *("candidate", "correctness", "groundedness", "abstention", "precision", "recall"),
    *("input tokens", "output tokens", "Wh", "USD", "quality bar"),
)
_EMBEDDED = """\
Embedded AWS: one small local model answers for every Bedrock candidate. The scores are those of the
local model and say nothing about the named models. Wh and USD are those of the named models for the
tokens of the local model."""


def as_text(choice: Choice, bar: Bar, *, embedded: bool) -> str:
    """Return the table, the meaning of its columns, and the choice with its reason."""
    asked = choice.results[0].scores.outcomes
    answerable = sum(outcome.question.answerable for outcome in asked)
    wanted = ", ".join(f"{name} {least:g}" for name, least in asdict(bar).items())
    names = _names(choice)
    lines = [
        table(_HEADER, [[names[r.candidate], *_cells(r)] for r in choice.results]),
        "",
        f"{len(asked)} questions: {answerable} with an answer in the documents, "
        f"{len(asked) - answerable} without.",
        f"Quality bar: at least {wanted}. Abstention is the F1 score of precision and recall.",
        "Wh and USD are estimates for 1,000 answers that reach the generator, generation only.",
    ]
    if embedded:
        lines.append(_EMBEDDED)
    return "\n".join([*lines, "", reason(choice), *proposal(choice)])


def proposal(choice: Choice) -> list[str]:
    """Return a sentence on the default that the curve proposes; none for one candidate."""
    if len(choice.results) < 2:
        return []
    found, names = choice.proposed, _names(choice)
    settings = found.candidate.dimensions.stated
    written = "".join(f"; answers.{name}: {value}" for name, value in settings.items())
    return [
        f"Least energy without a right answer less than the best: {names[found.candidate]}, "
        f"{amount((found.per_1000.kwh * 1000).mid)} Wh{written}."
    ]


def as_html(choice: Choice, bar: Bar, *, embedded: bool) -> str:
    """Return a page with the curve of correctness against energy, and its table."""
    names = _names(choice)
    dots = [
        charts.Dot(
            names[r.candidate],
            (r.per_1000.kwh * 1000).mid,
            r.scores.correctness or 0.0,
            r is choice.proposed,
        )
        for r in choice.results
    ]
    drawn = charts.dots(
        "Correctness against energy", dots, "Wh of generating 1,000 answers", "correctness"
    )
    rows = [[names[r.candidate], *_cells(r)] for r in choice.results]
    said = [_EMBEDDED.replace("\n", " ")] if embedded else []
    return page(
        "Choosing how to answer",
        " ".join([reason(choice), *proposal(choice), *said]),
        [
            section(
                "Correctness against energy",
                "Each dot is a candidate; further left is less energy, higher is more right "
                f"answers. The quality bar is {bar.correctness:g}. The filled dot has the least "
                "energy without a right answer less than the best.",
                drawn,
                wide=True,
            ),
            section(
                "The candidates",
                "Wh and USD are estimates for 1,000 answers that reach the generator.",
                html_table(_HEADER, rows),
                wide=True,
            ),
        ],
    )


def reason(choice: Choice) -> str:
    """Return the choice, its reason, and its 95 % confidence interval."""
    names = _names(choice)
    if choice.chosen is None:
        return "\n".join(
            [
                "No candidate meets the quality bar.",
                *(
                    f"{names[r.candidate]} is too low in {', '.join(r.missed)}."
                    for r in choice.results
                ),
            ]
        )
    smaller = choice.results[: choice.results.index(choice.chosen)]
    text = f"Choice: {names[choice.chosen.candidate]}. It meets the quality bar. "
    if smaller:
        text += f"Smaller candidates do not: {', '.join(names[r.candidate] for r in smaller)}."
    else:
        text += "No candidate is smaller."
    if choice.unasked:
        larger = ", ".join(map(names.__getitem__, choice.unasked))
        text += f"\nNot asked, because they use more energy by the middle estimates: {larger}."
    if but := doubts({names[other]: found for other, found in choice.beside.items()}):
        text += f"\nBut {but}."
    return text + _certainty(choice.chosen)


def as_json(choice: Choice, bar: Bar, *, embedded: bool) -> dict[str, Any]:
    """Return all results as plain data, including the score of each question."""
    return {
        "bar": asdict(bar),
        "embedded": embedded,
        "results": [_result(result) for result in choice.results],
        "choice": choice.chosen.candidate.describe() if choice.chosen else None,
        "proposed": choice.proposed.candidate.describe(),
        "unasked": [candidate.describe() for candidate in choice.unasked],
        "reason": reason(choice),
        "chosen_compared_with": [
            {
                "candidate": other.describe(),
                **{
                    row.quantity: {
                        "difference": row.share,
                        "chance_of_less": row.verdict.chance,
                        "too_close_to_call": row.verdict.too_close,
                    }
                    for row in found
                },
            }
            for other, found in choice.beside.items()
        ],
    }


def _names(choice: Choice) -> dict[Candidate, str]:
    """Return the shortest names that distinguish the candidates."""
    everyone = [*(result.candidate for result in choice.results), *choice.unasked]
    sampling = [candidate for candidate in everyone if candidate.temperature is not None]
    prompts = {candidate.prompt for candidate in sampling}
    temperatures = {candidate.temperature for candidate in sampling}
    limits = {candidate.max_tokens for candidate in everyone}
    stated = [candidate.dimensions.stated for candidate in everyone]
    varied = {key for each in stated for key in each if len({s.get(key) for s in stated}) > 1}

    def name(candidate: Candidate) -> str:
        parts = [candidate.model]
        if len(prompts) > 1 and candidate.temperature is not None:
            parts.append(f"prompt {candidate.prompt.name}")
        if len(temperatures) > 1 and candidate.temperature is not None:
            parts.append(f"temperature {candidate.temperature:g}")
        if len(limits) > 1:
            parts.append(f"{candidate.max_tokens} tokens")
        stated = candidate.dimensions.stated
        parts += [f"{key} {value}" for key, value in stated.items() if key in varied]
        return ", ".join(parts)

    return {candidate: name(candidate) for candidate in everyone}


def _certainty(result: Result) -> str:
    interval = result.scores.correctness_interval
    if interval is None:
        return ""
    return (
        f"\nThe measured correctness is {_score(result.scores.correctness)}. With this number of "
        f"questions, the true value is between {interval[0]:.2f} and {interval[1]:.2f} (95 % "
        "confidence)."
    )


def _cells(result: Result) -> list[str]:
    scores = result.scores
    return [
        _score(scores.correctness),
        _score(scores.groundedness),
        _score(scores.abstention),
        _score(scores.abstention_precision),
        _score(scores.abstention_recall),
        *map(amount, result.tokens),
        spread(result.per_1000.kwh * 1000),
        spread(result.per_1000.usd),
        "missed" if result.missed else "met",
    ]


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _result(result: Result) -> dict[str, Any]:
    scores, impact = result.scores, result.per_1000
    return {
        "candidate": result.candidate.describe(),
        "correctness": scores.correctness,
        "correctness_95": scores.correctness_interval,
        "groundedness": scores.groundedness,
        "abstention": scores.abstention,
        "abstention_precision": scores.abstention_precision,
        "abstention_recall": scores.abstention_recall,
        "missed": result.missed,
        "tokens_in": result.tokens[0],
        "tokens_out": result.tokens[1],
        "wh_per_1000": (impact.kwh * 1000).as_dict(),
        "gco2e_per_1000": impact.carbon_g.as_dict(),
        "usd_per_1000": impact.usd.as_dict(),
        "questions": [
            {
                "id": outcome.question.id,
                "answerable": outcome.question.answerable,
                "answered": outcome.answered,
                "right": outcome.is_right,
                "groundedness": outcome.groundedness,
                "answer": outcome.text,
            }
            for outcome in scores.outcomes
        ],
    }
