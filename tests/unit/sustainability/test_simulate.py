"""The simulator, through its command: what must hold of every policy on the same traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment
from sustainability.plan.serving import plan_serving
from sustainability.plan.situation import Situation
from sustainability.simulation import engine
from sustainability.simulation.policies import endpoint_of
from sustainability.simulation.traffic import Request

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


def says(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return what the command prints; it must not fail by a traceback."""
    main(["simulate", *map(str, arguments)])
    out, err = capsys.readouterr()
    return out or err


def test_rates_are_simulated_at_their_own_scale_unless_a_peak_is_asked_for(
    deployment: Path, hours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = says(capsys, deployment, "--trace", hours).splitlines()
    assert own[0] == "Traffic: hours.csv, rates as in the file, up to 3,500 questions/h."
    assert 7_800 < int(own[2].split()[0].replace(",", "")) < 8_600, "8,200 expected"
    scaled = says(capsys, deployment, "--trace", hours, "--peak", "350").splitlines()
    assert scaled[0] == "Traffic: hours.csv, scaled, up to 350 questions/h."


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--peak", "0"], "--peak 0: give a number above zero"),
        (["--peak", "inf"], "--peak inf: give a number above zero"),
        (["--variation", "nan"], "--variation nan: give a number above zero"),
        (["--start", "mon-9:00"], "--start is for --trace"),
        (["--trace", "TRACE", "--start", "noon"], "write a day and a time, such as tue-14:30"),
        (["--trace", "TRACE", "--peak", "5"], "single questions, which are simulated as they are"),
        (["--trace", "EMPTY"], "no questions"),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_refused_with_a_reason(
    options: list[str],
    fault: str,
    deployment: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "TRACE").write_text("t_s,in_tokens,out_tokens\n0,100,20\n")
    (tmp_path / "EMPTY").write_text("t_s,in_tokens,out_tokens\n")
    named = [str(tmp_path / each) if each.isupper() else each for each in options]
    assert fault in says(capsys, deployment, *named)


def test_traffic_without_questions_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    level = "{mean_per_hour: 0, peak_per_hour: 0}"
    tokens = "input_tokens: {mean: 9, p95: 9}, output_tokens: {mean: 9, p95: 9}"
    (tmp_path / "idle.yaml").write_text(
        "name: idle\nregion: eu-north-1\nservice_level: {latency_p95: 12s}\n"
        f"traffic: {{otherwise: {level}, {tokens}}}\ninference: {{bedrock: never}}\n"
    )
    assert "no questions to simulate" in says(capsys, tmp_path / "idle.yaml")


def test_a_prompt_longer_than_the_compiled_length_fails(deployment: Path, tmp_path: Path) -> None:
    loaded = Deployment.load(deployment)
    situation, plan = Situation.of(loaded), plan_serving(loaded)
    endpoint = endpoint_of(situation, plan, situation.capacity(12.0))
    longest = situation.model.sequence_length - loaded.answers.max_tokens
    asked = [Request(0.0, longest, 5.0), Request(1.0, longest + 1, 5.0)]
    found = engine.replay(asked, endpoint.starting_with(1), lambda _: 1)
    assert (found.questions, found.failed) == (2, 1)
