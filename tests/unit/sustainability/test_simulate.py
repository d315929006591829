"""The simulator, through its command: what must hold of every policy on the same traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main

NEVER = Path("deployments/dev.yaml").read_text().replace("name: dev", "name: trial") + (
    "inference:\n  bedrock: never\n"
)


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    file = tmp_path / "trial.yaml"
    file.write_text(NEVER)

    def replay(*options: str) -> dict[str, dict[str, Any]]:
        assert main(["simulate", str(file), "--json", *options]) == 0
        return {result["policy"]: result for result in json.loads(capsys.readouterr().out)}

    return replay


def test_every_question_counts_for_every_policy_and_none_beats_what_is_possible(
    replay: Any,
) -> None:
    results = replay("--synthetic", "diurnal", "--peak", "600")
    assert len({result["questions"] for result in results.values()}) == 1
    for result in results.values():
        assert 0 <= result["attainment"] <= 1
        latency = result["latency_s"]
        assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
        assert result["kwh"] == sorted(result["kwh"])
        assert result["bedrock_share"] == 0, "Bedrock may not be used"
    least = results["oracle"]["instance_hours"]
    for result in results.values():
        if result["attainment"] >= results["oracle"]["attainment"]:
            assert result["instance_hours"] >= least - 1e-6


def test_the_same_seed_gives_the_same_week_and_another_another(replay: Any) -> None:
    first = replay("--synthetic", "bursty", "--peak", "100", "--seed", "1")
    assert replay("--synthetic", "bursty", "--peak", "100", "--seed", "1") == first
    assert replay("--synthetic", "bursty", "--peak", "100", "--seed", "2") != first


def test_a_trace_that_is_none_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trial.yaml").write_text(NEVER)
    (tmp_path / "trace.csv").write_text("when,what\n1,2\n")
    options = ["--trace", str(tmp_path / "trace.csv")]
    assert main(["simulate", str(tmp_path / "trial.yaml"), *options]) == 1
    assert "trace.csv" in capsys.readouterr().err
