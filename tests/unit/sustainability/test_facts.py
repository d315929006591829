from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from sustainability.facts.lookup import (
    COLUMNS,
    DATA,
    Confidence,
    FactError,
    Facts,
    load_facts,
)
from sustainability.facts.ranges import Estimate
from sustainability.plan.clean_hours import profiles

TABLES = sorted(
    path.stem
    for path in DATA.glob("*.csv")
    if tuple(next(csv.reader(path.open(encoding="utf-8")))) == COLUMNS
)
SOURCE = re.compile(r"[A-Z0-9][\w.]|https?://|\.(com|org|io|de)\b|AWS|PyPI")


def write(folder: Path, *rows: str) -> Facts:
    table = folder / "things.csv"
    table.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return Facts(directory=folder)


def test_a_fact_carries_its_range_and_is_remembered(tmp_path: Path) -> None:
    facts = write(tmp_path, "a/b,1,2,3,W,2026,A datasheet,published")

    assert facts("things/a/b", "W") == Estimate(1, 2, 3)
    assert facts.used["things/a/b"].confidence is Confidence.PUBLISHED


def test_empty_ends_mean_an_exact_value(tmp_path: Path) -> None:
    assert write(tmp_path, "a,,2,,W,2026,A datasheet,published")("things/a", "W") == Estimate(
        2, 2, 2
    )


def test_a_missing_fact_names_the_file_and_the_row_to_add(tmp_path: Path) -> None:
    facts = write(tmp_path)

    with pytest.raises(
        FactError, match=r"'a/b' in sustainability/facts/data/things\.csv.*key, low.*'W'"
    ):
        facts("things/a/b", "W")


def test_another_unit_is_refused(tmp_path: Path) -> None:
    facts = write(tmp_path, "a,,2,,W,2026,A datasheet,published")

    with pytest.raises(FactError, match="is in 'W', but 'kW' is needed"):
        facts("things/a", "kW")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("a,3,2,4,W,2026,A datasheet,published", "low <= mid <= high"),
        ("a,,two,,W,2026,A datasheet,published", "could not convert"),
        ("a,,2,,W,2026,,published", "source must not be empty"),
        ("a,,2,,W,2026,A datasheet,rumour", "rumour"),
        ("a,,2,,W,2026,A datasheet,published\na,,3,,W,2026,A datasheet,published", "occurs twice"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    with pytest.raises(FactError, match=rf"things\.csv:[23].*{fault}"):
        write(tmp_path, row)("things/a", "W")


def test_varying_one_fact_takes_the_others_at_their_mid(tmp_path: Path) -> None:
    rows = ("a,1,2,3,W,2026,A datasheet,published", "b,4,5,6,W,2026,A datasheet,published")
    write(tmp_path, *rows)
    facts = Facts(directory=tmp_path, varying="things/a")

    assert facts("things/a", "W") == Estimate(1, 2, 3)
    assert facts("things/b", "W") == Estimate.exact(5)


@pytest.mark.parametrize("table", TABLES)
def test_every_row_of_ours_states_where_it_comes_from(table: str) -> None:
    for fact in load_facts(table).values():
        assert fact.unit
        assert fact.year
        assert len(fact.source) > 10, fact.path
        assert fact.confidence is Confidence.ASSUMPTION or SOURCE.search(fact.source), fact.path


def test_assumptions_give_a_range_or_count_things() -> None:
    counted = {"alarms", "dashboards", "keys"}
    for table in ("grid", "llm", "models", "power", "prices", "throughput", "workload"):
        for fact in load_facts(table).values():
            if fact.confidence is Confidence.ASSUMPTION and fact.unit not in counted:
                assert fact.value.low < fact.value.high, fact.path


def test_each_region_has_all_that_a_footprint_needs() -> None:
    regions = load_facts("regions")
    names = {key.split("/")[0] for key in regions}

    stated = {key for key in regions if not key.endswith("/wue")}  # AWS states no water for some
    assert {f"{name}/{what}" for name in names for what in ("grid", "pue", "matched")} == stated


def test_hourly_profiles_average_to_the_year() -> None:
    for region, course in profiles().items():
        assert set(course) == {(quarter, hour) for quarter in range(1, 5) for hour in range(24)}
        assert sum(course.values()) / len(course) == pytest.approx(1, abs=0.01), region
