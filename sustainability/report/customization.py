"""The ladder of customization as text, JSON and a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sustainability.decide.customization.advice import Advice
from sustainability.decide.customization.ladder import Ladder, Payback, Step, TrainingPlace
from sustainability.decide.next_steps import Step as Next
from sustainability.energy.impact import Impact
from sustainability.facts.lookup import Confidence
from sustainability.offers.bedrock import ModelName
from sustainability.offers.training import distillation_pairs
from sustainability.report import charts, next_steps
from sustainability.report.page import page, section, table
from sustainability.report.text import amount, in_words, spread
from sustainability.report.text import table as text_table

_HEADER = ("rung", "once Wh", "once gCO2e", "once USD", "1,000 answers Wh",
           "paid back after answers", "possible now")  # fmt: skip
_PLACES = ("silicon", "Region", "computing hours", "Wh", "gCO2e", "USD")
EXPLANATION = (
    "Once: every attempt, evaluation, compile and teacher's answer. 1,000 answers: the tokens, and "
    "the hours in which an endpoint of your own is on. Paid back: energy of once / (energy of an "
    "answer today - energy of an answer after). Never: an answer takes no less energy than today. "
    "All values are estimates: the middle, and the range in brackets."
)


_RUNGS = {
    "stay": "stay as it is",
    "prompts": "better prompts",
    "rag": "better retrieval (RAG)",
    "peft": "tuning of a few parameters (PEFT)",
    "distillation": "distillation",
    "full": "tuning of all parameters",
    "scratch": "training from scratch",
}
"""Each rung in words, as a page names it; commands and JSON use the keys."""


def _answers(value: float) -> str:
    return "never" if math.isinf(value) else amount(value)


def _payback(found: Payback) -> str:
    if found.low == found.high:
        return _answers(found.mid)
    return f"{_answers(found.mid)} ({_answers(found.low)} to {_answers(found.high)})"


def _row(step: Step) -> tuple[str, ...]:
    once = step.once
    stays = not step.parts
    return (
        step.rung.value,
        "-" if stays else spread(once.kwh * 1000),
        "-" if stays else spread(once.carbon_g),
        "-" if stays else spread(once.usd),
        spread(step.per_answer.kwh * 1e6),
        "-" if stays else _payback(step.energy),
        step.obstacle or "yes",
    )


def shown_places(ladder: Ladder) -> list[TrainingPlace]:
    """Return the best Region of each silicon, the one with the least carbon first."""
    best: dict[str, TrainingPlace] = {}
    for where in ladder.places:
        best.setdefault(where.instance_type, where)
    return list(best.values())


def _place(where: TrainingPlace) -> tuple[str, ...]:
    impact = where.impact
    return (where.instance_type, where.region, spread(where.hours), spread(impact.kwh * 1000),
            spread(impact.carbon_g), spread(impact.usd))  # fmt: skip


def _lead(ladder: Ladder, score: float | None) -> str:
    answers = ladder.answers
    wishes = answers.wishes
    known = "not measured" if score is None else f"{score:.2f}"
    return (
        f"{answers.deployment.name} in {answers.deployment.region}: "
        f"{answers.per_month:,.0f} generated answers a month; score {known}, wanted "
        f"{wishes.good_enough:.2f}; {wishes.examples} examples; model to tune {answers.base}; "
        f"{ladder.lasting_answers:,.0f} answers until the data changes."
    )


def _silicon(ladder: Ladder) -> str:
    first, *others = shown_places(ladder)
    told = [
        f"{other.instance_type} in {other.region} emits "
        f"{other.impact.carbon_g.mid / first.impact.carbon_g.mid:.1f} times as much"
        for other in others
    ]
    return (
        f"One run of PEFT emits least on {first.instance_type} in {first.region}; "
        f"{' and '.join(told)}. Silicon and Region count together. The list of Regions is that of "
        "Amazon EC2: ask for the quota of SageMaker training before you rely on it."
    )


def _pairs(ladder: Ladder) -> str:
    generator = ModelName.parse(ladder.answers.deployment.answers.generator).model
    found = [pair for pair in distillation_pairs() if generator in (pair.teacher, pair.student)]
    if not found:
        return (
            f"Amazon Bedrock has no distillation with {generator}; its pairs and Regions are in "
            "sustainability/facts/data/distillation_pairs.csv. The pipeline distils any teacher."
        )
    named = "; ".join(f"{pair.teacher} to {pair.student} in {pair.region}" for pair in found)
    return f"Amazon Bedrock distils it as well: {named}."


def as_text(ladder: Ladder, advice: Advice, score: float | None) -> str:
    """Return the report for a terminal."""
    lines = [
        _lead(ladder, score), "",
        text_table(_HEADER, [_row(step) for step in ladder.steps]), "",
        EXPLANATION, "",
        f"Next: {advice.rung.value}",
        *(f"  {reason}" for reason in advice.reasons),
        "This is wrong if",
        *(f"  {reason}" for reason in advice.wrong_if), "",
        "What is counted once",
    ]  # fmt: skip
    lines += [
        f"  {step.rung.value}, {part.name}: {part.basis}: {spread(part.impact.kwh * 1000)} Wh"
        for step in ladder.steps
        for part in step.parts
    ]
    lines += ["", "Where to train: one run of PEFT",
              text_table(_PLACES, [_place(where) for where in shown_places(ladder)], left=2), "",
              _silicon(ladder), "", _pairs(ladder), "",
              "Assumptions without a source (--json and --html give the reasons)"]  # fmt: skip
    lines += [f"  {fact.path}: {spread(fact.value)} {fact.unit}" for fact in _assumed(ladder)]
    return "\n".join(lines)


def _assumed(ladder: Ladder) -> list[Any]:
    used = ladder.answers.facts.used
    return [used[path] for path in sorted(used) if used[path].confidence is Confidence.ASSUMPTION]


def as_json(ladder: Ladder, advice: Advice, score: float | None) -> dict[str, Any]:
    """Return everything. Ranges are ``[low, mid, high]``; ``null`` in a payback means never."""
    return {
        "deployment": ladder.answers.deployment.name,
        "base": ladder.answers.base,
        "score": score,
        "answers_per_month": ladder.answers.per_month,
        "answers_until_data_changes": ladder.lasting_answers,
        "next": advice.rung.value,
        "reasons": list(advice.reasons),
        "wrong_if": list(advice.wrong_if),
        "rungs": [
            {
                "rung": step.rung.value,
                "once": _impact(step.once),
                "parts": [
                    {"name": part.name, "basis": part.basis, **_impact(part.impact)}
                    for part in step.parts
                ],
                "per_answer": _impact(step.per_answer),
                "payback_answers": {
                    "energy": _finite(step.energy),
                    "carbon": _finite(step.carbon),
                    "cost": _finite(step.cost),
                },
                "obstacle": step.obstacle,
            }
            for step in ladder.steps
        ],
        "training_places": [
            {"instance_type": where.instance_type, "region": where.region,
             "hours": where.hours.as_list(), **_impact(where.impact)}
            for where in ladder.places
        ],
        "distillation_on_bedrock": _pairs(ladder),
        "facts": [
            {"fact": fact.path, "value": fact.value.as_list(), "unit": fact.unit,
             "source": fact.source, "confidence": fact.confidence.value}
            for fact in ladder.answers.facts.used.values()
        ],
    }  # fmt: skip


def _finite(found: Payback) -> list[float | None]:
    return [None if math.isinf(value) else value for value in (found.low, found.mid, found.high)]


def _impact(impact: Impact) -> dict[str, list[float]]:
    return {
        "kwh": impact.kwh.as_list(),
        "carbon_gco2e": impact.carbon_g.as_list(),
        "usd": impact.usd.as_list(),
    }


def as_html(ladder: Ladder, advice: Advice, score: float | None, steps: Sequence[Next]) -> str:
    """Return the page; ``steps`` is what else to do next."""
    bars = [
        charts.Bar(_RUNGS[step.rung.value], step.once.kwh * 1000)
        for step in ladder.steps
        if step.parts and step.rung.value != "scratch"
    ]
    reasons = " ".join(advice.reasons)
    wrong = "; ".join(advice.wrong_if)
    sections = [
        section(f"Next: {_RUNGS[advice.rung.value]}", f"{reasons} This is wrong if {wrong}.",
                charts.bars("Energy before the first answer", bars, "Wh")),
        section("Where to train", _silicon(ladder),
                table(_PLACES, [_place(where) for where in shown_places(ladder)]), wide=True),
        section("Every rung", EXPLANATION,
                table(_HEADER, [(_RUNGS[step.rung.value], *_row(step)[1:])
                                for step in ladder.steps]), wide=True),
        section("What is counted once", _pairs(ladder), table(
            ("rung", "part", "basis", "Wh"),
            [(_RUNGS[step.rung.value], part.name, part.basis, spread(part.impact.kwh * 1000))
             for step in ladder.steps for part in step.parts], words=True), wide=True),
        section("Assumptions", "Numbers without a source, with the reason for each.", table(
            ("number", "value", "reason"),
            [(in_words(fact.path), f"{spread(fact.value)} {fact.unit}", fact.source)
             for fact in _assumed(ladder)], words=True), wide=True),
    ]  # fmt: skip
    if steps:
        sections.append(next_steps.as_html(steps))
    return page(
        f"Customization of {ladder.answers.deployment.name}", _lead(ladder, score), sections
    )
