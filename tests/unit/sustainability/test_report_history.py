"""The history of a deployment: periods, gaps, changes, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sustainability.facts.ranges import Estimate
from sustainability.operate.history import DAY, HOUR, History
from sustainability.report import history as report
from sustainability.report import history_charts
from tests.unit.sustainability.test_report import Reader

START = datetime(2026, 11, 2, tzinfo=UTC)
MONTHS = [
    {
        "month": "2026-10", "estimate_g": [1.0, 4.0, 9.0], "hours_recorded": 700,
        "hours_of_month": 744, "account_scope": "all of <the account>", "not_available": None,
        "account": {"location_g": 8.0, "market_g": 0.0}, "ratio": {"location": 0.5},
    },
    {
        "month": "2026-11", "estimate_g": [1.0, 4.0, 9.0], "hours_recorded": 7,
        "hours_of_month": 720, "account_scope": "all", "not_available": "AccessDenied",
        "account": None, "ratio": None,
    },
]  # fmt: skip


def hour(number: int, *, answers: float = 4, kwh: float = 0.01, **changed: Any) -> dict[str, Any]:
    """Return the record of an hour after the start."""
    return {
        "hour": (START + HOUR * number).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "eu-north-1",
        "accounting": "location",
        "coefficients": "same",
        "answers": {"answered": answers, "cached": answers / 4, "bedrock": answers * 3 / 4,
                    "endpoint": 0.0},
        "taken": {
            "kwh": [kwh / 2, kwh, 2 * kwh],
            "carbon_g": [10 * kwh, 20 * kwh, 40 * kwh],
            "usd": [kwh, kwh, kwh],
            "water_l": [kwh / 10, kwh / 5, kwh / 2],
        },
        "tokens": {"input": 500 * answers, "output": 100 * answers, "embedding": 0},
        "taken_by": {
            "hours": {"kwh": kwh / 4, "carbon_g": 0.0, "usd": 0.0},
            "search_unit_hours": {"kwh": kwh * 3 / 4, "carbon_g": 0.0, "usd": 0.0},
        },
        "missing": [],
        "utilization": {"store": 0.25 if answers else None, "endpoint": None},
        **changed,
    }  # fmt: skip


WITHOUT_WATER = {name: ends for name, ends in hour(0)["taken"].items() if name != "water_l"}


def history(numbers: Any, zone: Any = UTC, **fields: Callable[[int], Any]) -> History:
    """Return a history of these hours; fields are functions of the hour's number."""
    records = [hour(n, **{name: of(n) for name, of in fields.items()}) for n in numbers]
    return History.of(records, zone, until=START - 30 * DAY)


def test_the_report_states_water_and_the_score_of_sci_for_ai() -> None:
    told = report.as_json(history(range(24)), [])
    assert told["whole"]["taken"]["water_l"] == pytest.approx([0.024, 0.048, 0.12])
    # 0.2 g in an hour with four answers and 2,400 tokens.
    assert told["sci"]["scores"]["answer"][1] == pytest.approx(0.05)
    assert told["sci"]["scores"]["1000_tokens"][1] == pytest.approx(0.2 / 2.4)
    text = report.as_text("dev", history(range(24)), [])
    assert "SCI for AI per answer: 50 mg CO2e (25 to 100)" in text
    assert "Water: 0.048 l (0.024 to 0.12)" in text


def test_market_based_carbon_has_no_score_and_old_records_have_no_water() -> None:
    records = history(range(24), accounting=lambda _: "market", taken=lambda _: WITHOUT_WATER)
    told = report.as_json(records, [])
    assert told["sci"] is None
    assert "water_l" not in told["whole"]["taken"]
    text = report.as_text("dev", records, [])
    assert "SCI for AI takes location-based carbon" in text
    assert "Water" not in text


@pytest.mark.parametrize(("kwh", "unit", "other"), [(0.01, "Wh", "kWh"), (1.0, "kWh", " Wh")])
def test_a_page_has_one_unit_of_energy(kwh: float, unit: str, other: str) -> None:
    page = report.as_html("dev", history(range(48), taken=lambda _: hour(0, kwh=kwh)["taken"]), [])
    assert unit in page
    assert other not in page


def test_a_gap_stays_a_gap_and_is_not_zero() -> None:
    days = history([n for n in range(24 * 6) if not 48 <= n < 96]).periods
    assert [day.is_gap for day in days] == [False, False, True, True, False, False]
    each = days[0].per_1000("kwh")
    assert each is not None
    assert each.as_list() == pytest.approx([1.25, 2.5, 5])
    assert days[2].hours == 24
    assert days[2].per_1000("kwh") is None
    told = report.as_json(History.of([hour(0)], UTC, until=START + 200 * HOUR), [])
    assert (told["hours"], told["hours_recorded"]) == (200, 1)
    told = report.as_json(history([0, 200]), [])
    assert [period["taken"] is None for period in told["periods"]] == [False, *[True] * 7, False]
    assert (told["hours"], told["hours_recorded"]) == (201, 2)


def test_days_begin_at_midnight_of_the_place_also_when_its_clock_changes() -> None:
    start = (datetime(2026, 10, 23, tzinfo=UTC) - START) // HOUR
    days = history(range(start, start + 24 * 5), ZoneInfo("Europe/Stockholm")).periods
    assert [day.hours for day in days] == [22, 24, 25, 24, 24, 1]
    assert {day.start.strftime("%H:%M") for day in days} == {"00:00"}


def test_up_to_three_days_are_told_by_the_hour() -> None:
    assert history(range(24 * 3)).length == HOUR
    assert history(range(24 * 3 + 2)).length == DAY


def test_a_step_is_told_once_with_what_moved() -> None:
    stepped = history(range(24 * 21), kwh=lambda n: 0.01 if n < 24 * 10 else 0.005)
    (change,) = stepped.changes()
    assert change.after.start == START + 10 * DAY
    assert change.share == pytest.approx(-0.5)
    assert change.quantity == "search_unit_hours"
    assert not change.numbers_changed
    assert "-50%" in report.as_text("shop", stepped, [])


def test_weekends_and_days_that_tell_little_are_no_change() -> None:
    quiet = {5, 6}
    weekly = history(
        range(24 * 28), answers=lambda n: 1 if (START + HOUR * n).weekday() in quiet else 20
    )
    assert weekly.changes() == []
    outage = [n for n in range(24 * 21) if not 24 * 9 + 5 < n < 24 * 10]
    assert history(outage, answers=lambda n: 9 if n % 24 < 6 else 0).changes() == []


def test_other_coefficients_are_told_from_another_behaviour() -> None:
    (change,) = history(
        range(24 * 14),
        kwh=lambda n: 0.01 if n < 24 * 8 else 0.03,
        coefficients=lambda n: "old" if n < 24 * 8 else "new",
    ).changes()
    assert change.numbers_changed


def test_what_was_saved_is_the_first_weeks_rate_less_what_was_taken() -> None:
    halved = history(range(24 * 21), kwh=lambda n: 0.01 if n < 24 * 7 else 0.005)
    assert halved.saved("kwh") == pytest.approx(0.005 * 24 * 14)
    assert halved.saved("usd") == pytest.approx(0.005 * 24 * 14)
    assert history(range(24 * 7)).saved("kwh") is None
    assert history(range(24 * 14), answers=lambda n: 0).saved("kwh") is None


@pytest.mark.parametrize(
    "built",
    [
        history([n for n in range(24 * 30) if not 100 <= n < 190], answers=lambda n: n % 3),
        history(range(30)),
        history([0]),
        history(range(24 * 9), answers=lambda n: 0),
    ],
    ids=["month", "hours", "one", "unused"],
)
def test_a_page_is_whole_self_contained_and_readable_without_its_charts(built: History) -> None:
    page = report.as_html("shop", built, MONTHS)
    reader = Reader(page)
    assert "shop" in reader.words
    assert reader.seen.count("table") >= 2
    assert page.count('role="img"') == reader.seen.count("desc") > 0
    assert {"script", "link", "img", "iframe"}.isdisjoint(reader.seen)
    assert "<the account>" not in page
    assert "AccessDenied" in reader.words
    for outside in ("src=", "href=", "@import", "url(", "nan", "inf "):
        assert outside not in page
    assert json.dumps(report.as_json(built, MONTHS))
    text = report.as_text("shop", built, MONTHS)
    assert len(text.splitlines()) < 25
    assert "ratio 0.5" in text


def test_what_was_not_told_is_said() -> None:
    silent = history(range(24), missing=lambda n: ["busy_cores"] * (n < 5))
    for told in (
        report.as_text("shop", silent, []),
        Reader(report.as_html("shop", silent, [])).words,
    ):
        assert "no data in 5 of 24 hours: utilization of the NeuronCores" in told
    assert report.as_json(silent, [])["missing"] == {"busy_cores": 5}


def test_nothing_recorded_is_said() -> None:
    empty = History.of([], UTC, until=START)
    assert "no records yet" in report.as_text("shop", empty, [])
    assert "No records yet" in report.as_html("shop", empty, [])
    assert report.as_json(empty, [])["whole"] is None


values = st.none() | st.lists(st.floats(0, 1e9), min_size=3, max_size=3).map(
    lambda ends: Estimate(*sorted(ends))
)


@given(st.lists(values, max_size=40), st.sampled_from([1, 2]))
@example([Estimate(0.0, 0.0, 5e-324)], 1)
def test_charts_take_any_course(course: list[Estimate | None], lines: int) -> None:
    times = [str(START + timedelta(days=number)) for number in range(len(course))]
    missing = [1.0 if value is None else 0.5 for value in course]
    drawn = history_charts.columns("A & B", times, course, "kWh", missing=missing)
    series = [history_charts.Course(f"<{number}>", course) for number in range(lines)]
    drawn += history_charts.course("A & B", times, series, "%")
    Reader(drawn)
    assert "nan" not in drawn
