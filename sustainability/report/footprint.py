"""A footprint as one line, as JSON, as text for a terminal, and as a page with charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sustainability.decide.next_steps import Step
from sustainability.deployment.schema import EXTRACTIVE
from sustainability.energy.impact import Impact
from sustainability.facts.lookup import Fact
from sustainability.facts.ranges import Estimate
from sustainability.footprint.answered import Answered, command
from sustainability.footprint.baseline import Baseline
from sustainability.footprint.footprint import Footprint, Influence
from sustainability.footprint.targets import Estimated
from sustainability.report import charts, next_steps, targets
from sustainability.report.page import folded, page, section, table, tiles
from sustainability.report.text import amount, energy_unit, in_unit, in_words, spread
from sustainability.report.text import table as text_table

_MOST_INFLUENTIAL = 3
_VISIBLE = 0.001
"""Share of the total below which a bar is not visible; the table beside it has the number."""
Level = tuple[str, Footprint | str]
"""The name of a service level, and its footprint or the reason why it cannot be met."""


def synth_line(result: Footprint) -> str:
    """Return one line for ``cdk synth``: the idle floor, and the footprint of 1,000 answers."""
    idle, answered = result.idle, result.per_1000_answers
    line = (
        f"{result.deployment}: idle {amount(idle.kwh.mid)} kWh, "
        f"{amount(idle.carbon_g.mid)} gCO2e, ${amount(idle.usd.mid)} per month"
    )
    if answered is None:
        return line
    return (
        f"{line}; 1,000 answers {amount(answered.kwh.mid * 1000)} Wh, "
        f"{amount(answered.carbon_g.mid)} gCO2e, ${amount(answered.usd.mid)} "
        f"(middle estimates, {result.accounting}-based; for ranges: "
        "python -m sustainability footprint)"
    )


VERSION = 1
"""Of the JSON; ``docs/schemas/footprint.schema.json`` describes it."""


def as_json(
    result: Footprint,
    influences: Sequence[Influence],
    least: Baseline | None = None,
    aims: Sequence[Estimated] = (),
) -> dict[str, Any]:
    """Return the whole report as plain data. Every range is ``[low, mid, high]``."""
    answered = result.per_1000_answers
    return {
        "version": VERSION,
        "deployment": result.deployment,
        "region": result.region,
        "accounting": result.accounting.value,
        "answers_per_month": result.answers_per_month,
        "idle_per_month": _impact(result.idle),
        "traffic_per_month": _impact(result.traffic),
        "per_1000_answers": answered and _impact(answered),
        "source_litres_per_1000_answers": (source := result.source_litres_per_1000_answers)
        and source.as_list(),
        "baseline_per_1000_answers": least
        and {
            "search_with_extractive_answers": _impact(least.searching),
            "generating_adds": _impact(least.generating),
            "answered": least.answered and _answered(least.answered),
        },
        "targets": [targets.estimate_as_json(aim) for aim in aims],
        "watching_per_month": {
            "usd": result.watching_usd.as_list(),
            "usd_of_what_is_watched": result.watched_usd.as_list(),
            "usd_free_in_an_account": result.allowance_usd.as_list(),
        },
        "components": [
            {
                "name": component.name,
                "basis": component.basis,
                "idle_per_month": _impact(component.idle),
                "traffic_per_month": _impact(component.traffic),
            }
            for component in result.components
        ],
        "influences": [
            {**_fact(found.fact), "carbon_gco2e_per_month": found.carbon_g.as_list()}
            for found in influences
        ],
        "facts": [_fact(fact) for fact in result.facts],
        "warnings": list(result.warnings),
    }


def _answered(found: Answered) -> dict[str, Any]:
    return {
        "generator": found.generator,
        "answerable_questions": found.questions,
        "right_by_quotation": found.quoted,
        "right_by_generator": found.generated,
        "right_by_quotation_alone": found.quoted_alone,
        "right_by_generator_alone": found.generated_alone,
        "too_close_to_call": found.verdict.too_close,
        "embedded": found.embedded,
    }


def _impact(impact: Impact) -> dict[str, list[float]]:
    return {
        "kwh": impact.kwh.as_list(),
        "operational_gco2e": impact.operational_g.as_list(),
        "embodied_gco2e": impact.embodied_g.as_list(),
        "carbon_gco2e": impact.carbon_g.as_list(),
        "usd": impact.usd.as_list(),
        "litres": impact.litres.as_list(),
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return {
        "fact": fact.path,
        "value": fact.value.as_list(),
        "unit": fact.unit,
        "year": fact.year,
        "source": fact.source,
        "confidence": fact.confidence.value,
    }


def as_text(
    result: Footprint,
    influences: Sequence[Influence],
    sci: Mapping[str, Any] | None = None,
    steps: Sequence[Step] | None = None,
    least: Baseline | None = None,
    aims: Sequence[Estimated] = (),
) -> str:
    """Return the report for a terminal.

    ``sci`` is the score by SCI for AI, ``steps`` what to do next; ``None`` leaves it out. ``aims``
    are the targets.
    """
    unit = energy_unit(result.traffic.kwh.mid)
    cells = [
        (component.name, _cells(component.idle, unit), _cells(component.traffic, unit))
        for component in result.components
    ]
    cells.append(("total", _cells(result.idle, unit), _cells(result.traffic, unit)))
    lines = [
        f"{result.deployment} in {result.region}, {result.accounting}-based carbon, "
        f"{result.answers_per_month:,.0f} answers per month. The table shows middle estimates; "
        "ranges are below it.",
        "",
        text_table(
            ("per month", f"idle {unit}", "gCO2e", "USD", f"with traffic {unit}", "gCO2e", "USD"),
            [(name, *idle, *traffic) for name, idle, traffic in cells],
        ),
        "",
        *(_summary("idle month", result.idle, unit)),
        *(_summary("traffic month", result.traffic, unit)),
    ]
    answered = result.per_1000_answers
    if answered is not None:
        lines += _summary("1,000 answers", answered, unit)
    if source := result.source_litres_per_1000_answers:
        lines.append(f"{'at the source':<16}{_at_source(source)}")
    if least is not None:
        lines += _summary("search alone", least.searching, unit)
        lines += _summary("generating adds", least.generating, unit)
        lines.append(f"{'':<16}{_baseline(least)}")
    lines.append(f"{'watching':<16}{_watching(result)}")
    if sci is not None and sci["scores"]["answer"]:
        lines.append(f"{'SCI for AI':<16}{_scores(sci)}")
    if aims:
        lines += ["", targets.estimate_as_text(aims)]
    lines += ["", "What is counted"]
    lines += [f"  {component.name}: {component.basis}" for component in result.components]
    lines += ["", "Most influential assumptions: the monthly carbon over the range of each number"]
    lines += [
        f"  {found.fact.path}: {amount(found.carbon_g.low)} to {amount(found.carbon_g.high)} gCO2e "
        f"per month\n    {_stated(found.fact)}"
        for found in influences[:_MOST_INFLUENTIAL]
    ]
    lines += ["", "Assumptions without a source (--json and --html give the reasons)"]
    lines += [f"  {fact.path}: {spread(fact.value)} {fact.unit}" for fact in result.assumptions]
    lines += [f"\nwarning: {warning}" for warning in result.warnings]
    if steps is not None:
        lines += ["", next_steps.as_text(steps)]
    return "\n".join(lines)


def _cells(impact: Impact, unit: str) -> tuple[str, str, str]:
    return (
        amount(in_unit(impact.kwh, unit).mid),
        amount(impact.carbon_g.mid),
        f"{impact.usd.mid:,.2f}",
    )


def _summary(name: str, impact: Impact, unit: str) -> list[str]:
    return [
        f"{name:<16}{spread(in_unit(impact.kwh, unit))} {unit}, {spread(impact.carbon_g)} gCO2e "
        f"({amount(impact.embodied_g.mid)} of it from making the hardware), "
        f"{spread(impact.usd)} USD, {spread(impact.litres * 1000)} ml of water"
    ]


def _at_source(litres: Estimate) -> str:
    return (
        f"{spread(litres * 1000)} ml of water at power plants, for the electricity of 1,000 "
        "answers; the water above is that of the data centers"
    )


def _baseline(least: Baseline) -> str:
    text = "No system takes nothing. Search alone quotes sentences and calls no model. "
    if found := least.answered:
        text += (
            f"Of {found.questions} questions with an answer, the quotation was right for "
            f"{found.quoted} and {found.generator} for {found.generated} ({found.verdict}): "
            f"{found.generated_alone} were answered by {found.generator} alone, "
            f"{found.quoted_alone} by the quotation alone."
        )
        if found.embedded:
            text += " In the embedded AWS, a local model answered in its place."
        return text
    text += (
        "On the golden set of this project, the quotation was right for 0.53 of the answerable "
        "questions (docs/choosing-a-model.md)."
    )
    if least.generator != EXTRACTIVE:
        text += (
            f" What {least.generator} answers beyond that was not recorded. To record it: "
            f"{command(least.generator)}; footprint states it with --answered answers.json."
        )
    return text


def _watching(result: Footprint) -> str:
    return (
        f"{result.watching_usd.mid:,.2f} USD per month, beside {result.watched_usd.mid:,.2f} USD "
        f"for what is watched; {result.allowance_usd.mid:,.2f} USD of it is free in an AWS account "
        "that holds nothing else"
    )


def _scores(sci: Mapping[str, Any]) -> str:
    (_, answer, _), (_, tokens, _) = sci["scores"]["answer"], sci["scores"]["1000_tokens"]
    return (
        f"{amount(answer * 1000)} mg CO2e per answer, "
        f"{amount(tokens * 1000)} mg CO2e per 1,000 tokens; "
        f"{sci['boundary']} boundary, {sci['intensity']}, {sci['period']}"
    )


def _stated(fact: Fact) -> str:
    return f"{spread(fact.value)} {fact.unit}; {fact.source}"


def as_html(
    result: Footprint,
    influences: Sequence[Influence],
    levels: Sequence[Level] = (),
    sci: Mapping[str, Any] | None = None,
    served: str = "",
    steps: Sequence[Step] | None = None,
    least: Baseline | None = None,
    aims: Sequence[Estimated] = (),
) -> str:
    """Return the HTML page.

    Parameters
    ----------
    result, influences
        The footprint, and the numbers that it depends on most.
    levels
        The same deployment at other service levels.
    sci
        The score by SCI for AI.
    served
        The section on the serving plan.
    steps
        What to do next; ``None`` leaves it out.
    least
        The same deployment without a generator.
    aims
        The targets.
    """
    lead = (
        f"Region {result.region}, {result.accounting}-based carbon, "
        f"{result.answers_per_month:,.0f} answers per month. Every value is an estimate."
    )
    sections = [_key_figures(result), *([served] if served else [])]
    sections += [section("Warning", warning, "", wide=True) for warning in result.warnings]
    if sci is not None and sci["scores"]["answer"]:
        excluded = f"Not included: {'; '.join(sci['excluded'])}."
        sections.append(section("SCI for AI", f"{_scores(sci)}. {excluded}", "", wide=True))
    if aims:
        sections.append(targets.estimate_as_html(aims))
    sections += [_idle(result), _answers(result)]
    if least is not None:
        rows = [
            (name, *(spread(value) for value in (impact.kwh * 1000, impact.carbon_g, impact.usd)))
            for name, impact in (
                ("search with extractive answers", least.searching),
                ("generating adds", least.generating),
            )
        ]
        header = ("1,000 answers", "Wh", "gCO2e", "USD")
        sections.append(section("Without generating", _baseline(least), table(header, rows)))
    if levels:
        sections.append(_levels(levels))
    sections += [_sensitivity(influences), _month(result), _assumptions(result)]
    if steps is not None:
        sections.append(next_steps.as_html(steps))
    return page(f"Footprint of {result.deployment}", lead, sections)


def _key_figures(result: Footprint) -> str:
    source = result.source_litres_per_1000_answers
    beside = f" {_at_source(source).capitalize()}." if source else ""

    def entries(name: str, impact: Impact) -> list[tuple[str, str, str]]:
        return [
            (f"{name}, energy", f"{amount(impact.kwh.mid * 1000)} Wh", _range(impact, "wh")),
            (f"{name}, carbon", f"{amount(impact.carbon_g.mid)} gCO2e", _range(impact, "carbon")),
            (f"{name}, cost", f"${amount(impact.usd.mid)}", _range(impact, "usd")),
            (f"{name}, water", f"{amount(impact.litres.mid * 1000)} ml", _range(impact, "ml")),
        ]

    figures = entries("Idle month", result.idle)
    if result.per_1000_answers is not None:
        figures += entries("1,000 answers", result.per_1000_answers)
    return section(
        "Summary",
        f"An idle month without questions, and 1,000 answers. Middle estimate and range.{beside}",
        tiles(figures), wide=True,
    )  # fmt: skip


def _range(impact: Impact, quantity: str) -> str:
    estimate = {
        "wh": impact.kwh * 1000, "carbon": impact.carbon_g, "usd": impact.usd,
        "ml": impact.litres * 1000,
    }[quantity]  # fmt: skip
    return f"{amount(estimate.low)} to {amount(estimate.high)}"


def _idle(result: Footprint) -> str:
    rows = sorted(result.components, key=lambda component: -component.idle.kwh.mid)
    bars = [
        charts.Bar(component.name, component.idle.kwh * 1000)
        for component in rows
        if component.idle.kwh.high > _VISIBLE * result.idle.kwh.mid
    ]
    explanation = "Energy of a month without questions, in Wh at the wall."
    body = (
        charts.bars("Idle floor by component", bars, "Wh")
        if bars
        else "<p>No component uses energy while idle.</p>"
    )
    cells = [
        (component.name, spread(component.idle.kwh * 1000), spread(component.idle.carbon_g),
         spread(component.idle.usd))
        for component in rows
    ]  # fmt: skip
    numbers = table(("component", "Wh", "gCO2e", "USD"), cells)
    return section("Idle floor", explanation, body + folded("As a table", numbers))


def _answers(result: Footprint) -> str:
    if result.per_1000_answers is None:
        return section("1,000 answers", "The deployment declares no traffic.", "")
    share = 1000 / result.answers_per_month
    rows = sorted(result.components, key=lambda component: -component.traffic.kwh.mid)
    bars = [
        charts.Bar(component.name, component.traffic.kwh * (1000 * share))
        for component in rows
        if component.traffic.kwh.high > _VISIBLE * result.traffic.kwh.mid
    ]
    cells = [
        (
            component.name,
            spread(component.traffic.kwh * (1000 * share)),
            spread(component.traffic.carbon_g * share),
            spread(component.traffic.usd * share),
        )
        for component in rows
    ]
    return section(
        "1,000 answers",
        "Energy in Wh: a month of traffic, including the idle floor, per 1,000 answers.",
        charts.bars("Energy of 1,000 answers by component", bars, "Wh")
        + folded("As a table", table(("component", "Wh", "gCO2e", "USD"), cells)),
    )


def _levels(levels: Sequence[Level]) -> str:
    met = [(name, found) for name, found in levels if isinstance(found, Footprint)]
    idle = [charts.Bar(name, found.idle.kwh * 1000) for name, found in met]
    answered = [
        charts.Bar(name, found.per_1000_answers.kwh * 1000)
        for name, found in met
        if found.per_1000_answers is not None
    ]
    cells = [
        (name, found, "", "", "")
        if isinstance(found, str)
        else (
            name,
            spread(found.idle.kwh * 1000),
            spread(found.idle.usd),
            spread(found.per_1000_answers.kwh * 1000) if found.per_1000_answers else "",
            spread(found.per_1000_answers.usd) if found.per_1000_answers else "",
        )
        for name, found in levels
    ]
    header = (
        "service level",
        "idle, Wh per month",
        "idle, USD per month",
        "Wh per 1,000 answers",
        "USD per 1,000 answers",
    )
    return section(
        "Service levels compared",
        "The same traffic at other service levels. A service level above your needs costs energy.",
        "<h3>Idle month</h3>"
        + charts.bars("Idle energy by service level", idle, "Wh")
        + "<h3>1,000 answers</h3>"
        + charts.bars("Energy of 1,000 answers by service level", answered, "Wh")
        + folded("As a table", table(header, cells)),
    )


def _sensitivity(influences: Sequence[Influence]) -> str:
    strongest = influences[:8]
    rows = [charts.Bar(in_words(found.fact.path), found.carbon_g) for found in strongest]
    cells = [
        (
            in_words(found.fact.path),
            found.fact.path,
            f"{spread(found.fact.value)} {found.fact.unit}",
            f"{amount(found.carbon_g.low)} to {amount(found.carbon_g.high)}",
            found.fact.source,
        )
        for found in strongest
    ]
    return section(
        "Most influential assumptions",
        "How the monthly carbon (gCO2e) changes when one number goes from its low to its high "
        "value. To change a number, edit its row in sustainability/facts/data.",
        charts.tornado("Influence on the monthly carbon", rows, "gCO2e")
        + folded(
            "As a table",
            table(("number", "row", "value", "gCO2e per month", "source"), cells, words=True),
        ),
    )


def _month(result: Footprint) -> str:
    unit = energy_unit(result.traffic.kwh.mid)
    rows = [
        (component.name, component.basis, *_cells(component.traffic, unit))
        for component in result.components
    ]
    rows.append(("Total", "", *_cells(result.traffic, unit)))
    return section(
        "A month of traffic",
        "What is counted for each component. Energy is at the wall. Carbon includes making the "
        f"hardware. Watching costs {_watching(result)}.",
        table(("component", "what is counted", unit, "gCO2e", "USD"), rows, words=True),
        wide=True,
    )


def _assumptions(result: Footprint) -> str:
    rows = [
        (in_words(fact.path), f"{spread(fact.value)} {fact.unit}", fact.source)
        for fact in result.assumptions
    ]
    sources = [
        (fact.path, f"{spread(fact.value)} {fact.unit}", fact.year, fact.source)
        for fact in result.facts
    ]
    return section(
        "Assumptions",
        "No source states these numbers; each was chosen for the reason given. If you know a "
        "better value, change its row.",
        table(("number", "value", "reason"), rows, words=True)
        + folded(
            f"All {len(sources)} numbers and their sources",
            table(("number", "value", "year", "source"), sources, words=True),
        ),
        wide=True,
    )
