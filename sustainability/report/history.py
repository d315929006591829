"""The measured footprint of a deployment over time as text, JSON, and a page with charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sustainability.decide.next_steps import Step
from sustainability.facts.ranges import Estimate
from sustainability.footprint.sci import EXCLUDED
from sustainability.operate.history import BASELINE, DAY, HOUR, Change, History, Period
from sustainability.report import charts, next_steps, targets
from sustainability.report.history_charts import Course, columns, course
from sustainability.report.page import folded, page, section, table, tiles
from sustainability.report.text import amount, energy_unit, in_unit, percent, spread
from sustainability.report.text import table as text_table

_TELLING = 0.005
"""A saving of a smaller share of all that was used is none."""
_SAMPLES = 10
"""Highest number of rows of the table for a terminal."""
_QUANTITIES = {
    "hours": "storage, polls and alarms (every hour)",
    "active_hours": "metrics and waiting functions of hours with questions",
    "ingest_hours": "metrics and waiting functions of hours in which documents change",
    "questions": "API calls and logs",
    "searches": "searches, and storing answers in the cache",
    "documents": "document events",
    "answer_seconds": "running the answer function",
    "ingest_seconds": "running the ingest function",
    "invocations": "Lambda invocations",
    "input_tokens": "input tokens on Bedrock",
    "output_tokens": "output tokens on Bedrock",
    "embedding_tokens": "embeddings",
    "search_unit_hours": "running OCUs",
    "node_hours": "running search nodes",
    "instance_hours": "running instances (idle power)",
    "busy_hours": "work of instances",
    "awake_hours": "custom metrics of the accelerator",
}
_MISSING = {
    "busy_cores": "utilization of the NeuronCores; counted as idle",
    "nodes": "number of nodes of the domain; counted as deployed",
    "store_cpu": "CPU of the domain; not included in the utilization",
}
_WHO = {
    "cached": "answer cache",
    "quoted": "quotation",
    "small": "smaller model",
    "bedrock": "Bedrock",
    "endpoint": "endpoint",
}
_COMPONENTS = {"store": "knowledge store", "endpoint": "endpoint"}
_MEASURES = {"kwh": ("energy", "kWh"), "carbon_g": ("carbon", "gCO2e"), "usd": ("cost", "USD")}


def as_json(
    history: History,
    months: Sequence[Mapping[str, Any]],
    course: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the whole report as plain data. Every range is ``[low, mid, high]``."""
    return {
        "hours": history.whole.hours if history.periods else 0,
        "hours_recorded": len(history.whole.records) if history.periods else 0,
        "whole": _told(history.whole) if history.periods else None,
        "periods": [_told(period) for period in history.periods],
        "changes": [
            {
                "start": change.after.start.isoformat(),
                "energy_per_answer": change.share,
                "quantity": change.quantity,
                "numbers_changed": change.numbers_changed,
            }
            for change in history.changes()
        ],
        "sci": _sci(history.whole) if history.periods else None,
        "saved_against_first_week": {measure: history.saved(measure) for measure in _MEASURES},
        "missing": history.whole.missing if history.periods else {},
        "course": course and targets.course_as_json(course),
        "account": list(months),
    }


def _told(period: Period) -> dict[str, Any]:
    answers = {who: period.answers(who) for who in ("answered", *_WHO)}
    told: dict[str, Any] = {
        "start": period.start.isoformat(),
        "hours": period.hours,
        "hours_recorded": len(period.records),
        "answers": answers,
        "taken": {measure: period.taken(measure).as_list() for measure in _MEASURES},
        "per_1000_answers": {
            measure: each.as_list()
            for measure in _MEASURES
            if (each := period.per_1000(measure)) is not None
        },
        "utilization": {name: period.utilization(name) for name in _COMPONENTS},
    }
    if period.is_gap:
        return told | {"answers": None, "taken": None}
    water = period.water
    if water is not None:
        told["taken"]["water_l"] = water.as_list()
    return told


def _sci(whole: Period) -> dict[str, Any] | None:
    """Return the consumer score by SCI for AI, in gCO2e; None if the carbon is market-based."""
    if whole.records[-1]["accounting"] != "location":
        return None
    grams = whole.taken("carbon_g")
    return {
        "boundary": "consumer",
        "intensity": "location-based",
        "scores": {
            name: (grams * (1 / count)).as_list() if count else None
            for name, count in (("answer", whole.answers()), ("1000_tokens", whole.tokens / 1000))
        },
        "excluded": list(EXCLUDED),
    }


def _scores(history: History) -> list[tuple[str, str, str]]:
    """Return water and SCI as name, value and range, as far as they are known."""
    whole, found = history.whole, []
    water = whole.water
    if water is not None:
        found.append(("Water", f"{amount(water.mid)} l", _range(water)))
        if whole.answers():
            each = water * (1000 / whole.answers())
            found.append(("Water per 1,000 answers", f"{amount(each.mid)} l", _range(each)))
    for name, score in ((_sci(whole) or {}).get("scores") or {}).items():
        if score is not None:
            milligrams = Estimate(*score) * 1000
            unit = "answer" if name == "answer" else "1,000 tokens"
            found.append(
                (f"SCI for AI per {unit}", f"{amount(milligrams.mid)} mg CO2e", _range(milligrams))
            )
    return found


def _boundary(history: History) -> str:
    if _sci(history.whole) is None:
        return "SCI for AI takes location-based carbon, so it is not stated here."
    return f"SCI for AI: consumer boundary, location-based. Not included: {'; '.join(EXCLUDED)}."


def as_text(
    name: str,
    history: History,
    months: Sequence[Mapping[str, Any]],
    steps: Sequence[Step] | None = None,
    course: Mapping[str, Any] | None = None,
) -> str:
    """Return the report for a terminal.

    ``steps`` is what to do next, ``course`` the last week beside the targets.
    """
    if not history.periods:
        return f"{name}: no records yet. The hourly function writes the first one within an hour."
    longest = history.length * -(-len(history.periods) // _SAMPLES)
    length = next(
        (step for step in (HOUR, 6 * HOUR, DAY, 7 * DAY, 28 * DAY) if step >= longest), longest
    )
    unit = energy_unit(history.whole.taken("kwh").mid)
    rows = [
        (_time(period, length), f"{len(period.records)}/{period.hours}", *_cells(period, unit))
        for period in history.split(length)
    ]
    whole = history.whole
    rows.append(("all", f"{len(whole.records)}/{whole.hours}", *_cells(whole, unit)))
    lines = [
        f"{name}, {_place(history)} carbon. Middle estimates; --json and --html give the ranges.",
        "",
        text_table(
            (
                *("from", "recorded", "answers", unit, "gCO2e", "USD"),
                *(f"{unit} per 1,000 answers", "gCO2e", "USD"),
            ),
            rows,
        ),
    ]
    saved = _saved(history)
    lines += ["", *(f"{what}: {value} ({ends})" for what, value, ends in _scores(history))]
    lines.append(_boundary(history))
    lines += ["", f"Compared with the first week: {saved}"] if saved else []
    lines += [_change(change, history.length) for change in history.changes()[-3:]]
    lines += [_month(month) for month in months]
    if course is not None:
        lines += ["", targets.course_as_text(course)]
    lines += [f"Note: {remark}" for remark in _remarks(whole)]
    if steps is not None:
        lines += ["", next_steps.as_text(steps)]
    return "\n".join(lines)


def _remarks(whole: Period) -> list[str]:
    return [
        f"no data in {hours} of {len(whole.records)} hours: {_MISSING.get(name, name)}"
        for name, hours in whole.missing.items()
    ]


def _place(history: History) -> str:
    record = history.whole.records[-1]
    return f"{record['region']}, {record['accounting']}-based"


def _cells(period: Period, unit: str) -> tuple[str, ...]:
    if period.is_gap:
        return ("-",) * 7
    energy, grams, usd = (period.per_1000(measure) for measure in _MEASURES)
    return (
        f"{period.answers():,.0f}",
        amount(in_unit(period.taken("kwh"), unit).mid),
        amount(period.taken("carbon_g").mid),
        f"{period.taken('usd').mid:,.2f}",
        "-" if energy is None else amount(in_unit(energy, unit).mid),
        "-" if grams is None else amount(grams.mid),
        "-" if usd is None else f"{usd.mid:,.2f}",
    )


def _time(period: Period, length: timedelta) -> str:
    return f"{period.start:%d %b %H:%M}" if length < DAY else f"{period.start:%d %b}"


def _saved(history: History) -> str:
    told = []
    for measure, (_, unit) in _MEASURES.items():
        value = history.saved(measure)
        if value is not None and abs(value) > _TELLING * history.whole.taken(measure).mid:
            told.append(f"{amount(abs(value))} {unit} {'less' if value >= 0 else 'more'}")
    return ", ".join(told)


def _change(change: Change, length: timedelta) -> str:
    reason = _QUANTITIES.get(change.quantity, change.quantity)
    numbers = "; the coefficients also changed" if change.numbers_changed else ""
    return (
        f"{_time(change.after, length)}: energy per answer {percent(change.share)}, mainly because "
        f"of {reason}{numbers}"
    )


def _month(month: Mapping[str, Any]) -> str:
    ours = f"{month['month']}: estimated {amount(month['estimate_g'][1])} gCO2e"
    if month["account"] is None:
        return f"{ours}; AWS has no figure: {month['not_available']}"
    theirs = ", ".join(
        f"{amount(month['account'][f'{kind}_g'])} g {kind}-based (ratio {amount(ratio)})"
        for kind, ratio in (month["ratio"] or {}).items()
    )
    return f"{ours}; AWS reports for {month['account_scope']}: {theirs or 'no emissions'}"


def as_html(
    name: str,
    history: History,
    months: Sequence[Mapping[str, Any]],
    steps: Sequence[Step] | None = None,
    course: Mapping[str, Any] | None = None,
) -> str:
    """Return the HTML page; ``steps`` and ``course`` as in :func:`as_text`."""
    title = f"Measured footprint of {name}"
    if not history.periods:
        return page(title, "No records yet.", [])
    whole = history.whole
    first, last = history.periods[0].start, history.periods[-1].start
    lead = (
        f"{_place(history)} carbon, {first:%d %b %Y} to {last:%d %b %Y}. Estimates from CloudWatch "
        "metrics. The ranges cover the differences between the sources."
    )
    sections = [_summary(history)]
    sections += [section("Note", remark, "", wide=True) for remark in _remarks(whole)]
    if course is not None:
        sections.append(targets.course_as_html(course))
    sections.append(_changes(history))
    for measure, (word, unit) in _measures(history).items():
        sections += [_totals(history, measure, word, unit), _each(history, measure, word, unit)]
    sections += [_who(history), _used(history), _where(history)]
    if months:
        sections.append(_beside(months))
    sections.append(_numbers(history))
    if steps is not None:
        sections.append(next_steps.as_html(steps))
    return page(title, lead, sections)


def _summary(history: History) -> str:
    whole = history.whole
    gaps = whole.hours - len(whole.records)
    remark = f"{gaps} of {whole.hours} hours have no record" if gaps else "every hour is recorded"
    entries = [("Answers", f"{whole.answers():,.0f}", remark)]
    for measure, (word, unit) in _measures(history).items():
        for title, value in (
            (word.capitalize(), whole.taken(measure)),
            (f"{word.capitalize()} per 1,000 answers", whole.per_1000(measure)),
        ):
            if value is not None:
                shown = in_unit(value, unit) if measure == "kwh" else value
                entries.append((title, f"{amount(shown.mid)} {unit}", _range(shown)))
    entries += _scores(history)
    explanation = (
        f"All provisioned and used resources, with and without questions. {_boundary(history)}"
    )
    return section("Summary", explanation, tiles(entries), wide=True)


def _range(value: Estimate) -> str:
    return f"{amount(value.low)} to {amount(value.high)}"


def _changes(history: History) -> str:
    saved = _saved(history)
    lead = (
        f"Since the first {BASELINE.days} days: {saved} than at the rate per answer of those days. "
        if saved
        else f"The saving is shown after the first {BASELINE.days} days. "
    )
    rows = [
        (
            _time(change.after, history.length),
            percent(change.share),
            _QUANTITIES.get(change.quantity, change.quantity),
            "yes" if change.numbers_changed else "no",
        )
        for change in history.changes()
    ]
    header = ("when", "energy per answer", "main reason", "coefficients changed")
    body = table(header, rows, words=True) if rows else "<p>No change of 20 % or more.</p>"
    return section(
        "What changed",
        lead
        + "The table lists when the energy per answer changed by 20 % or more, compared with "
        + ("the week before." if history.length == DAY else "the day before."),
        body,
        wide=True,
    )


def _word(history: History) -> str:
    return "hour" if history.length == HOUR else "day"


def _times(history: History) -> list[str]:
    return [_time(period, history.length) for period in history.periods]


def _totals(history: History, measure: str, word: str, unit: str) -> str:
    values = [None if period.is_gap else period.taken(measure) for period in history.periods]
    scaled = _scaled(values, measure, unit)
    title = f"{word.capitalize()} per {_word(history)}"
    return section(
        title,
        "All provisioned and used resources. Shaded: the share of hours without a record.",
        columns(
            title,
            _times(history),
            scaled,
            unit,
            missing=[1 - len(period.records) / period.hours for period in history.periods],
        ),
    )


def _each(history: History, measure: str, word: str, unit: str) -> str:
    cycles = (history.cycle_until(index) for index in range(len(history.periods)))
    values = [None if cycle is None else cycle.per_1000(measure) for cycle in cycles]
    scaled = _scaled(values, measure, unit)
    title = f"{word.capitalize()} per 1,000 answers"
    before = "seven days" if history.length == DAY else "24 hours"
    return section(
        title,
        f"Each point covers the {before} before it. The line has a gap where records are missing.",
        course(title, _times(history), [Course(unit, scaled)], unit),
    )


def _measures(history: History) -> dict[str, tuple[str, str]]:
    """Return word and unit of each measure: the whole page has one unit of energy."""
    unit = energy_unit(history.whole.taken("kwh").mid)
    return {**_MEASURES, "kwh": ("energy", unit)}


def _scaled(
    values: Sequence[Estimate | None], measure: str, unit: str
) -> Sequence[Estimate | None]:
    if measure != "kwh":
        return values
    return [None if value is None else in_unit(value, unit) for value in values]


def _who(history: History) -> str:
    lines = [
        _shares(history, label, "share", who)
        for who, label in _WHO.items()
        if history.whole.answers(who)
    ]
    if not lines:
        return section("Who answered", "There were no questions.", "")
    return section(
        "Who answered",
        "Share of the answers in %. An answer from the cache uses almost no energy.",
        course("Who answered", _times(history), lines, "%", 100),
    )


def _used(history: History) -> str:
    lines = [_shares(history, label, "utilization", name) for name, label in _COMPONENTS.items()]
    known = [line for line in lines if any(value is not None for value in line.values)]
    title = "Utilization of running capacity"
    explanation = "In %. Resources that run only when called, such as Lambda, are not included."
    if not known:
        return section(title, explanation, "<p>No capacity was running.</p>")
    return section(title, explanation, course(title, _times(history), known, "%"))


def _shares(history: History, label: str, kind: str, name: str) -> Course:
    shares = (
        period.share(name) if kind == "share" else period.utilization(name)
        for period in history.periods
    )
    return Course(
        label, [None if share is None else Estimate.exact(100 * share) for share in shares]
    )


def _where(history: History) -> str:
    _, unit = _measures(history)["kwh"]
    parts = sorted(history.whole.taken_by("kwh").items(), key=lambda part: -part[1])
    total = sum(kwh for _, kwh in parts)
    bars = [
        charts.Bar(_QUANTITIES.get(name, name), in_unit(Estimate.exact(kwh), unit))
        for name, kwh in parts
        if kwh > 0.001 * total
    ]
    return section(
        "Energy by use",
        f"Middle estimates in {unit}.",
        charts.bars("Energy by use", bars, unit),
    )


def _beside(months: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            month["month"],
            f"{month['hours_recorded']} of {month['hours_of_month']}",
            amount(month["estimate_g"][1]),
            *(
                _figure(month, kind)
                for kind in ("location", "market")
            ),
            month["not_available"] or f"AWS: {month['account_scope']}",
        )
        for month in months
    ]  # fmt: skip
    header = (
        *("month", "hours recorded", "our estimate, g"),
        *("AWS, location-based", "AWS, market-based", "remark"),
    )
    return section(
        "Comparison with AWS's own figures",
        "AWS's monthly figures are for the whole AWS account. The ratio is our estimate divided by "
        "the AWS figure.",
        table(header, rows, words=True),
        wide=True,
    )


def _figure(month: Mapping[str, Any], kind: str) -> str:
    grams = (month["account"] or {}).get(f"{kind}_g")
    if grams is None:
        return "-"
    ratio = (month["ratio"] or {}).get(kind)
    return f"{amount(grams)} g" + ("" if ratio is None else f", ratio {amount(ratio)}")


def _numbers(history: History) -> str:
    _, unit = _measures(history)["kwh"]
    rows = [
        (
            _time(period, history.length),
            f"{len(period.records)}/{period.hours}",
            *(
                ("-",) * 4
                if period.is_gap
                else (
                    f"{period.answers():,.0f}",
                    spread(in_unit(period.taken("kwh"), unit)),
                    spread(period.taken("carbon_g")),
                    spread(period.taken("usd")),
                )
            ),
        )
        for period in history.periods
    ]
    header = ("from", "hours recorded", "answers", unit, "gCO2e", "USD")
    return section(
        "All values",
        "Middle estimate and range for each period. Hours recorded: of all hours in the period.",
        folded(f"All {len(rows)} rows", table(header, rows)),
        wide=True,
    )
