"""What fetches public traces writes what the benchmark of the simulator reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.simulator import HOUR, TOKENS, WEEK
from benchmarks.traces import main
from sustainability.simulation.traces import read_rates, read_trace

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
SATURDAY = datetime(2024, 5, 11, 22)


def trace(file: Path, days: float) -> str:
    rows = [
        f"{SATURDAY + timedelta(minutes=5 * number)}.1234567,{100 + number % 10},{number % 4}"
        for number in range(int(days * 288))
    ]
    file.write_text(HEAD + "\n".join(rows))
    return file.as_uri()


def test_a_week_from_sunday_and_an_hour(tmp_path: Path) -> None:
    hour, week = trace(tmp_path / "hour.csv", 0.1), trace(tmp_path / "week.csv", 7.5)
    assert main([str(tmp_path / "kept"), "--hour", hour, "--week", week]) == 0

    rates = read_rates(tmp_path / "kept" / WEEK)
    assert (len(rates.per_hour), set(rates.per_hour)) == (1008, {12.0})
    assert len(list(read_trace(tmp_path / "kept" / HOUR))) == 28
    tokens = (tmp_path / "kept" / TOKENS).read_text().splitlines()
    assert {"conversation,input,50,104", "conversation,output,50,1"} <= set(tokens)


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hour, week = trace(tmp_path / "hour.csv", 0.1), trace(tmp_path / "week.csv", 3)
    assert main([str(tmp_path), "--hour", hour, "--week", week]) == 1
    assert "no whole week from a Sunday" in capsys.readouterr().err
    assert main([str(tmp_path), "--hour", (tmp_path / "none.csv").as_uri()]) == 1
    assert "cannot be fetched" in capsys.readouterr().err
