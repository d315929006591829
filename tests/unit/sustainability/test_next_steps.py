"""What to do next: each step does what it says, and the one that saves most is first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sustainability.__main__ import main
from sustainability.decide.next_steps import LEAST, as_measured, generator_step, next_steps
from sustainability.decide.region_requirements import checked_plan
from sustainability.deployment.schema import Deployment
from sustainability.footprint.footprint import footprint
from sustainability.report import next_steps as report
from tests.unit.sustainability.deployments import a_deployment

SLEEPY = {
    "knowledge": {"store": "serverless"},
    "footprint": {"within": "EU"},
    "service_level": {"latency_p95": "12s", "availability": "high"},
}


@pytest.mark.parametrize("region", ["eu-north-1", "eu-west-1"])
def test_following_a_step_saves_what_it_says(region: str, tmp_path: Path) -> None:
    deployment = a_deployment(region=region, **SLEEPY)
    steps = next_steps(deployment)
    stated = deployment.model_dump(mode="json", exclude={"rules"})
    before = footprint(deployment, checked_plan(deployment)).traffic

    assert "knowledge.store: vectors" in [step.setting for step in steps]
    assert [step.carbon_g for step in steps] == sorted(
        (step.carbon_g for step in steps), reverse=True
    )
    for step in steps:
        key, _, value = step.setting.partition(": ")
        *path, last = key.split(".")
        changed = yaml.safe_load(yaml.safe_dump(stated))
        section = changed
        for part in path:
            section = section[part]
        section[last] = value
        if last == "deadline":
            section.pop("latency_p95")
        followed = Deployment.model_validate(changed)
        after = footprint(followed, checked_plan(followed)).traffic
        assert before.carbon_g.mid - after.carbon_g.mid == pytest.approx(step.carbon_g)
        assert before.kwh.mid - after.kwh.mid == pytest.approx(step.kwh)
        assert before.usd.mid - after.usd.mid == pytest.approx(step.usd)
        assert step.share >= LEAST


def test_a_cleaner_region_is_proposed_only_where_the_data_may_be() -> None:
    free = a_deployment(region="eu-west-1")
    bound = a_deployment(region="eu-west-1", footprint={"within": "IE"})
    assert any(step.setting.startswith("region: ") for step in next_steps(free))
    assert not any(step.setting.startswith("region: ") for step in next_steps(bound))


def test_the_traffic_that_was_measured_counts() -> None:
    declared = a_deployment(**SLEEPY)
    measured = as_measured(declared, answers_per_month=7300.0, tokens=(500.0, 0.0))
    assert measured.traffic.questions_per_month == pytest.approx(7300)
    assert measured.traffic.input_tokens.mean == 500
    assert measured.traffic.output_tokens == declared.traffic.output_tokens
    assert as_measured(declared, answers_per_month=0.0, tokens=None) == declared


def test_the_words_name_the_setting_the_effect_and_the_reason() -> None:
    steps = next_steps(a_deployment(**SLEEPY))
    told = report.as_text(steps)
    first = told.splitlines()[1]
    assert first.startswith(f"  1. {steps[0].setting}")
    assert "saves " in first
    assert "gCO2e" in first
    assert "% of the carbon (" in first
    assert report.as_html(steps).count("<tr>") == len(steps) + 1
    assert "No other store" in report.as_text([])


@pytest.mark.parametrize("command", [("plan",), ("simulate",), ("customize", "--advise")], ids=str)
@pytest.mark.parametrize("name", ["examples/bridged", "dev"])
def test_a_command_ends_with_the_steps_or_says_nothing(
    name: str, command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(f"deployments/{name}.yaml")
    curve = tmp_path / "curve.csv"
    curve.write_text("t_s,requests_per_hour\n0,900\n600,1500\n")
    traffic = ("--trace", str(curve)) if command[0] == "simulate" else ()
    asked = [command[0], str(file), *command[1:], *traffic]

    assert main(asked) == 0
    text = capsys.readouterr().out
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["next_steps"]

    steps = next_steps(Deployment.load(file))
    assert [step["setting"] for step in told] == [step.setting for step in steps]
    assert [step["gco2e"] for step in told] == [step.carbon_g for step in steps]
    assert text.rstrip("\n").endswith(report.ending(steps))
    assert ("What to do next" in text) is bool(steps)


def test_a_chosen_model_is_a_step_only_if_it_saves() -> None:
    large, small = "qwen.qwen3-32b-v1:0", "mistral.ministral-3-3b-instruct"
    deployment = a_deployment(answers={"generator": large})
    (step,) = generator_step(deployment, small, "if it is good")
    assert (step.setting, step.condition) == (f"answers.generator: {small}", "if it is good")
    assert step.carbon_g > 0
    assert generator_step(a_deployment(answers={"generator": small}), large) == []
