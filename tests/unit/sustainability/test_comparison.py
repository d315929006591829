from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sustainability.energy.verdict import Verdict
from sustainability.footprint.change import (
    Change,
    ComparisonError,
    Limit,
    compare,
    load_revision,
)
from sustainability.footprint.footprint import Footprint, footprint
from sustainability.report.change import as_markdown
from tests.unit.sustainability.deployments import a_deployment, a_plan, traffic

YAML = """name: test
region: eu-north-1
service_level: {latency_p95: 12s}
traffic:
  input_tokens: {mean: 1000, p95: 1500}
  output_tokens: {mean: 200, p95: 400}
"""


def prints(**sections: Any) -> Footprint:
    return footprint(a_deployment(**sections), a_plan())


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("carbon>+10%", Limit("traffic", "carbon", 0.10)),
        ("idle.cost > 5%", Limit("idle", "cost", 0.05)),
        ("answers.energy>+0%", Limit("answers", "energy", 0.0)),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    "text", ["carbon", "carbon<10%", "water>10%", "carbon>+10", "day.carbon>1%"]
)
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ComparisonError, match=r"carbon>\+10%"):
        Limit.parse(text)


def test_growth_beyond_the_limit_breaks_it_and_growth_up_to_it_does_not() -> None:
    changes = [Change("traffic", "carbon", "gCO2e", 100, 110, Verdict(1.0))]

    assert Limit.parse("carbon>+10%").broken_by(changes) is None
    assert Limit.parse("carbon>+9%").broken_by(changes) == changes[0]


def test_anything_from_nothing_is_unbounded_growth() -> None:
    assert math.isinf(Change("idle", "energy", "Wh", 0, 1, Verdict(1.0)).share)
    assert Change("idle", "energy", "Wh", 0, 0, Verdict(1.0)).share == 0


def test_a_comparison_shows_what_changed_and_what_is_too_much() -> None:
    before, after = prints(), prints(traffic=traffic(300))
    changes = compare(before, after)
    limit = Limit.parse("carbon>+10%")
    broken = limit.broken_by(changes)
    assert broken is not None
    text = as_markdown(("main", "branch"), before, after, changes, [(limit, broken)])

    assert "branch compared with main" in text
    assert "| Generation on Bedrock |" in text
    assert "**Limit exceeded:** traffic.carbon" in text


def test_the_same_deployment_changes_nothing() -> None:
    changes = compare(prints(), prints())

    assert {change.share for change in changes} == {0.0}
    assert "component" not in as_markdown(("a", "b"), prints(), prints(), changes, [])


def test_a_limit_on_answers_needs_answers() -> None:
    changes = compare(prints(traffic=traffic(0)), prints())

    with pytest.raises(ComparisonError, match="need traffic"):
        Limit.parse("answers.carbon>+1%").broken_by(changes)


def test_a_file_is_read_as_it_stood_at_a_revision(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    file = tmp_path / "dev.yaml"
    file.write_text(YAML, encoding="utf-8")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    file.write_text(YAML.replace("eu-north-1", "eu-west-1"), encoding="utf-8")

    assert load_revision(file, "HEAD").region == "eu-north-1"
    with pytest.raises(ComparisonError, match="--against nowhere"):
        load_revision(file, "nowhere")
