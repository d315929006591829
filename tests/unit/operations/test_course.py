"""What a week is told to be beside its targets, and which part is named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from operations.course import BASELINE, WEEK, judge, metrics
from operations.settings import Target

LAST = date(2026, 11, 22)
DUE, LATER = date(2026, 1, 1), date(2027, 1, 1)
PARTS = {"Store": 4.0, "Generating": 5.0, "Functions": 0.5, "Standing": 0.5}


def a_day(answered: int = 100, **parts: float) -> dict[str, Any]:
    taken = PARTS | parts
    return {
        "hours": 24,
        "answered": answered,
        "taken": dict.fromkeys(("kwh", "carbon_g", "usd", "water_l"), sum(taken.values())),
        "parts": {part: dict.fromkeys(("kwh", "carbon_g", "usd"), v) for part, v in taken.items()},
        "quality": {"settled": 100, "abstained": 5, "judged": 90, "grounded": 81.0},
    }


def days(week: dict[str, Any], baseline: int = BASELINE) -> dict[str, Any]:
    """Return a week of such days after usual ones."""
    return {
        (LAST - number * timedelta(days=1)).isoformat(): week if number < WEEK else a_day()
        for number in range(WEEK + baseline)
    }


def a_target(at_most: float, by: date = DUE, *, measure: str = "kwh", per: str = "answer") -> Any:
    return [Target(measure=measure, per=per, at_most=at_most, by=by)]


@pytest.mark.parametrize(
    ("per", "at_most", "week", "part"),
    [
        ("answer", 0.1, a_day(Store=6), "Store"),
        ("answer", 0.1, a_day(Generating=7), "Generating"),
        ("answer", 0.1, a_day(Standing=2), "Standing"),
        ("answer", 0.1, a_day(60, Generating=3, Functions=0.3), "Traffic"),
        ("month", 10 * 730 / 24, a_day(150, Generating=7.5, Functions=0.75), "Traffic"),
        ("month", 10 * 730 / 24, a_day(150, Generating=12, Functions=0.75), "Generating"),
    ],
)
@pytest.mark.parametrize("measure", ["kwh", "water_l"])
def test_the_part_that_moved_most_is_named(
    per: str, at_most: float, week: dict[str, Any], part: str, measure: str
) -> None:
    told = judge(LAST, days(week), a_target(at_most, per=per, measure=measure), None)
    assert told["off"]["part"] == part
    sent = metrics(told)
    assert [name for name, value in sent.items() if value] == [f"OffTarget{part}"]
    assert sent[f"OffTarget{part}"] == pytest.approx(100 * told["targets"][0]["above"])


def test_a_cause_keeps_its_name_while_the_deviation_lasts_and_ends_with_it() -> None:
    first = judge(LAST, days(a_day(Store=6)), a_target(0.1), None)
    other = judge(LAST, days(a_day(Store=6, Generating=9)), a_target(0.1), first["off"])
    assert other["off"]["part"] == "Store"
    assert other["off"]["above"] > first["off"]["above"]
    unseen = judge(LAST, days(a_day(0)), a_target(0.1), first["off"])
    assert (unseen["off"]["part"], metrics(unseen).keys() & {"OffTargetStore"}) == ("Store", set())
    assert judge(LAST, days(a_day()), a_target(0.1), first["off"])["off"] is None


def test_less_than_five_percent_is_no_deviation() -> None:
    told = judge(LAST, days(a_day(Generating=5.4)), a_target(0.1), None)
    assert (told["targets"][0]["state"], told["off"]) == ("missed", None)
    assert set(metrics(told).values()) == {0.0}


@pytest.mark.parametrize(
    ("week", "state"),
    [
        (a_day(Generating=4.9), "on course"),  # down by 1 % in 18.5 days, 40 days to go
        (a_day(), "off course"),
        (a_day(Generating=1), "holds"),
    ],
)
def test_before_its_date_a_target_is_on_course_if_the_pace_reaches_it(
    week: dict[str, Any], state: str
) -> None:
    (told,) = judge(LAST, days(week), a_target(0.097, LATER), None)["targets"]
    assert told["state"] == state
    assert (told["week"] <= told["at_most"]) == (state == "holds")


def test_with_fewer_days_there_is_no_baseline_and_the_largest_part_is_named() -> None:
    young = days(a_day(), baseline=3)
    told = judge(LAST, young, a_target(0.05), None)
    assert (told["baseline_days"], told["targets"][0]["baseline"]) == (3, None)
    assert told["off"]["part"] == "Generating"
    later = judge(LAST, young, a_target(0.05, LATER), None)
    assert (later["targets"][0]["state"], metrics(later)) == ("unknown", {})
    water = [Target(measure="water_l", per="answer", at_most=0.05, by=DUE)]
    for day in young.values():
        day["taken"]["water_l"] = None  # recorded before water was
    assert judge(LAST, young, water, None)["targets"][0]["state"] == "unknown"


@pytest.mark.parametrize(
    ("quality", "drop"),
    [
        ({"settled": 100, "abstained": 20, "judged": 80, "grounded": 72.0}, 15),
        ({"settled": 100, "abstained": 5, "judged": 90, "grounded": 63.0}, 20),
        ({"settled": 4, "abstained": 1, "judged": 0, "grounded": 0.0}, 20),
        ({"settled": 1, "abstained": 0, "judged": 0, "grounded": 0.0}, 0),
    ],
    ids=["fewer answers", "less grounded", "few but lasting", "chance"],
)
def test_a_saving_that_costs_answers_is_seen(quality: dict[str, float], drop: float) -> None:
    told = judge(LAST, days(a_day(Generating=1) | {"quality": quality}), a_target(0.1), None)
    assert told["targets"][0]["state"] == "holds"
    assert metrics(told)["QualityDrop"] == pytest.approx(drop, abs=0.01)


def test_quality_that_nobody_measured_is_not_sent() -> None:
    told = judge(LAST, days(a_day() | {"quality": None}), a_target(0.1), None)
    assert "QualityDrop" not in metrics(told)
    assert told["quality"]["answered"] == {"week": None, "baseline": 0.95, "drop": None}
