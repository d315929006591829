"""``plan``: what it explains, and what other promises would cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.decide.what_if import alternatives
from sustainability.deployment.schema import Deployment

EXAMPLE = "deployments/examples/realtime.yaml"


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> Any:
    def plan(*changes: str) -> dict[str, Any]:
        options = [option for change in changes for option in ("--what-if", change)]
        assert main(["plan", EXAMPLE, "--json", *options]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return plan


def test_a_plan_says_how_it_is_served_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", EXAMPLE]) == 0
    printed = capsys.readouterr().out
    for part in ("realtime", "ml.inf2.", "Why", "  1. ", "cron("):
        assert part in printed


def test_a_stricter_promise_costs_more_and_a_lighter_one_less(plan: Any) -> None:
    found = plan("latency=15s", "availability=best_effort", "attainment=0.999")
    lighter, light, stricter, together = (other["month"]["kwh"] for other in found["what_if"])
    hours = [other["plan"]["expected_instance_hours"] for other in found["what_if"]]
    declared = found["plan"]["expected_instance_hours"]
    assert hours[0] < declared
    assert hours[1] < declared
    assert hours[2] >= declared
    assert light < stricter
    assert found["what_if"][-1]["changes"].count("=") == 3
    assert all(kwh == sorted(kwh) for kwh in (lighter, light, stricter, together))


def test_changes_of_the_same_are_not_put_together(plan: Any) -> None:
    changes = [other["changes"] for other in plan("latency=15s", "latency=20s")["what_if"]]
    assert changes == ["latency=15s", "latency=20s"]
    changes = [other["changes"] for other in plan("latency=15s", "deadline=2h")["what_if"]]
    assert changes == ["latency=15s", "deadline=2h"]


def test_what_cannot_be_promised_says_what_can(plan: Any) -> None:
    (impossible,) = plan("latency=3s")["what_if"]
    assert impossible["plan"] is None
    assert "The lowest latency that can be met is" in impossible["obstacle"]


@pytest.mark.parametrize("change", ["speed=3", "latency", "latency=soon", "availability=always"])
def test_a_change_that_cannot_be_made_is_named(
    change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", EXAMPLE, "--what-if", change]) == 1
    assert f"--what-if {change}" in capsys.readouterr().err.replace("'", "")


def test_another_store_is_compared_by_all_that_the_deployment_takes() -> None:
    dev = Deployment.load(Path(__file__).parents[3] / "deployments" / "dev.yaml")
    stores = ("vectors", "serverless", "domain")
    declared, *others = alternatives(dev, [f"store={store}" for store in stores])[:4]
    kwh = [other.footprint.traffic.kwh.mid for other in others if other.footprint]
    assert declared.footprint is not None
    assert kwh[0] == declared.footprint.traffic.kwh.mid == min(kwh)
    assert len(set(kwh)) == 3
