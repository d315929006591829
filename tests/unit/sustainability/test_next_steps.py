"""What to do next: each step does what it says, and the one that saves most is first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sustainability.decide.next_steps import LEAST, as_measured, next_steps
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
