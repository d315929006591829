"""The simulator, through its command: what must hold of every policy on the same traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sustainability.__main__ import main

NEVER = Path("deployments/dev.yaml").read_text().replace("name: dev", "name: trial") + (
    "inference:\n  bedrock: never\n"
)
HOURS = (300, 2500, 3500, 1500, 400)


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    file = tmp_path / "trial.yaml"
    file.write_text(NEVER)
    return file


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    """Some hours of traffic, as a rate curve of ten minutes."""
    rows = [f"{600 * number},{HOURS[number // 6]}" for number in range(6 * len(HOURS))]
    file = tmp_path / "hours.csv"
    file.write_text("\n".join(["t_s,requests_per_hour", *rows]))
    return file


@pytest.fixture
def replay(deployment: Path, hours: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def replay(*options: str) -> dict[str, dict[str, Any]]:
        assert main(["simulate", str(deployment), "--trace", str(hours), "--json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        return {result["policy"]: result for result in (*found["policies"], found["oracle"])}

    return replay


def test_every_question_counts_for_every_policy_and_none_beats_what_is_possible(
    replay: Any,
) -> None:
    results = replay("--plan-from-trace", "--peak", "3500")
    assert len({result["questions"] for result in results.values()}) == 1
    assert len(results) == 6
    oracle = results["oracle"]
    assert oracle["attainment"] >= 0.99
    for result in results.values():
        assert 0 <= result["attainment"] <= 1
        latency = result["latency_s"]
        assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
        assert result["kwh"] == sorted(result["kwh"])
        assert result["bedrock_share"] == 0, "Bedrock may not be used"
        if result["attainment"] >= oracle["attainment"]:
            assert result["instance_hours"] >= oracle["instance_hours"]


def test_the_same_seed_gives_the_same_traffic_and_another_another(replay: Any) -> None:
    first = replay("--peak", "300", "--seed", "1")
    assert replay("--peak", "300", "--seed", "1") == first
    assert replay("--peak", "300", "--seed", "2") != first


def test_the_plot_is_a_picture_that_says_what_it_shows(replay: Any, tmp_path: Path) -> None:
    file = tmp_path / "plot.svg"
    replay("--peak", "300", "--plot", str(file))
    picture = ElementTree.parse(file).getroot()
    namespace = {"svg": "http://www.w3.org/2000/svg"}
    title, description = (picture.find(f"svg:{name}", namespace) for name in ("title", "desc"))
    assert title is not None
    assert description is not None
    assert picture.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "trial" in (title.text or "")
    assert "questions an hour" in (description.text or "")


def test_a_trace_that_is_none_is_refused_with_its_name(
    deployment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trace.csv").write_text("when,what\n1,2\n")
    assert main(["simulate", str(deployment), "--trace", str(tmp_path / "trace.csv")]) == 1
    assert "trace.csv" in capsys.readouterr().err
