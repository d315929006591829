"""Traffic from files: what is read, and what an error says of a file that cannot be."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sustainability.deployment.schema import Deployment
from sustainability.simulation.traces import (
    TrafficError,
    declaring,
    is_rate_curve,
    rates_of,
    read_rates,
    read_trace,
    recorded,
)
from sustainability.simulation.traffic import Rates, Request
from tests.unit.sustainability.deployments import a_deployment


def written(folder: Path, text: str, name: str = "traffic.csv") -> Path:
    file = folder / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


@pytest.mark.parametrize("name", ["traffic.csv", "traffic.csv.gz"])
def test_seconds_begin_with_the_first_question(tmp_path: Path, name: str) -> None:
    file = written(
        tmp_path, "# a comment\r\nt_s,in_tokens,out_tokens\n5,10,20\r\n6.5,30,40\n", name
    )
    assert list(read_trace(file)) == [Request(0, 10, 20), Request(1.5, 30, 40)]
    assert recorded(file).duration == 1.5
    assert not is_rate_curve(file)


def test_timestamps_keep_their_fraction_of_a_second_over_midnight(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 23:59:59.5000000,374,44\n2023-11-17 00:00:01.2500000,396,109\n",
    )
    first, second = read_trace(file)
    assert (first.time, second.time) == (0, pytest.approx(1.75))


@pytest.mark.parametrize(
    ("column", "per_hour"),
    [("requests_per_s", 7200), ("requests_per_min_mid", 120), ("requests_per_hour", 2)],
)
def test_a_rate_curve_of_any_unit_is_per_hour(tmp_path: Path, column: str, per_hour: int) -> None:
    file = written(tmp_path, f"t_s,{column}\n0,2\n600,4\n")
    assert is_rate_curve(file)
    assert read_rates(file) == Rates(600, (per_hour, 2 * per_hour))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("t_s,in_tokens,out_tokens\n0,1,1\n1,x,1\n", r":3: in_tokens: 'x'"),
        ("t_s,in_tokens,out_tokens\n# more\n0,1,-1\n", r":3: out_tokens: '-1'"),
        ("t_s,in_tokens,out_tokens\n0,1\n", r":2: out_tokens: ''"),
        ("t_s,in_tokens,out_tokens\n5,1,1\n4,1,1\n", r":3: t_s: 4 is before"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n",
            r":2: TIMESTAMP: .*yesterday",
        ),
        ("t_s,in_tokens,out_tokens\n", "no questions"),
        ("when,what\n1,2\n", "columns TIMESTAMP,.* this one has when,what"),
    ],
)
def test_an_error_in_a_trace_names_file_line_and_field(
    tmp_path: Path, text: str, where: str
) -> None:
    with pytest.raises(TrafficError, match=f"traffic.csv.*{where}"):
        recorded(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("t_s,requests_per_min\n0,1\n600,nan\n", r":3: requests_per_min: 'nan'"),
        ("t_s,requests_per_min\n0,1\n600,1\n700,1\n", r":4: t_s: the interval differs"),
        ("t_s,requests_per_day\n0,1\n600,1\n", "requests_per_day"),
        ("t_s,requests_per_min\n0,1\n", "at least two rows"),
        ("t_s,requests_per_min\n0,0\n600,0\n", "some traffic"),
    ],
)
def test_an_error_in_a_rate_curve_names_file_line_and_field(
    tmp_path: Path, text: str, where: str
) -> None:
    with pytest.raises(TrafficError, match=f"traffic.csv.*{where}"):
        read_rates(written(tmp_path, text))


def test_what_is_no_file_of_text_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrafficError, match=r"missing\.csv"):
        read_rates(tmp_path / "missing.csv")
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"no archive")
    with pytest.raises(TrafficError, match=r"broken\.csv\.gz"):
        recorded(broken)


def test_a_declared_week_keeps_the_means_and_the_highest_peak_of_the_curve() -> None:
    day = [100.0] * 36 + [400.0] * 72 + [100.0] * 36  # ten minutes each
    day[50] = 900.0
    found = declaring(a_deployment(), Rates(600, tuple(day * 7)))
    week = found.traffic.week()
    assert Deployment.model_validate(dict(found)) == found
    assert sum(rate.mean_per_hour for rate in week) == pytest.approx(7 * sum(day) / 6)
    assert max(rate.peak_per_hour for rate in week) == pytest.approx(900, rel=0.1)


def test_counting_questions_gives_back_their_rate(tmp_path: Path) -> None:
    rows = "".join(f"{second},1,1\n" for second in range(0, 1200, 2))
    trace = recorded(written(tmp_path, "t_s,in_tokens,out_tokens\n" + rows))
    assert rates_of(trace).per_hour == (1800, 1800)


def test_time_stamps_say_where_in_the_week_a_trace_begins(tmp_path: Path) -> None:
    """14 May 2024 was a Tuesday."""
    file = tmp_path / "trace.csv"
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-14 10:30:00.5,10,9000\n")
    found = recorded(file, most_tokens=300)
    assert found.start == pytest.approx(((24 + 10) * 60 + 30) * 60, abs=1)
    assert [request.output_tokens for request in found.requests()] == [300]
    assert recorded(file, most_tokens=300, start=60.0).start == 60.0


def test_a_declared_week_follows_where_the_curve_begins() -> None:
    curve = Rates(3600, (100.0, 200.0))
    week = declaring(
        Deployment.load("deployments/dev.yaml"), curve, start=24 * 3600.0
    ).traffic.week()
    assert [week[hour].mean_per_hour for hour in (24, 25, 26)] == [100, 200, 100]
