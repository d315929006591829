"""Pairs of a wasteful and a lean template: the rules tell one from the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cfn_sustainability.engine import judge
from cfn_sustainability.reader import read
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Template

PAIRS = Path(__file__).resolve().parents[4] / "shared" / "cases" / "rules" / "pairs"
NAMES = sorted(path.name for path in (PAIRS / "waste").glob("*.yaml"))
UNSEEN = {"09-lambda-old-runtime-x86-era.yaml"}
"""Waste that needs the dates at which runtimes end."""
OF_DEVELOPMENT = {
    "22-nat-per-az.yaml",
    "24-opensearch-domain-standby-dev.yaml",
    "36-kendra-enterprise-dev.yaml",
    "41-rds-unscheduled-dev.yaml",
    "46-ecs-dev-no-spot.yaml",
    "49-api-cache-dev.yaml",
}
"""Waste in development alone: a standby, or a machine that is on at night."""


@pytest.mark.skipif(not NAMES, reason=f"the pairs are no part of the repository; none in {PAIRS}")
@pytest.mark.parametrize("name", NAMES)
def test_the_waste_is_told_from_the_lean(name: str) -> None:
    if name in UNSEEN:
        pytest.xfail("no rule knows when a runtime ends")
    profile = Profile.DEVELOPMENT if name in OF_DEVELOPMENT else RuleSettings().profile
    assert found(PAIRS / "waste" / name, profile) - found(PAIRS / "lean" / name, profile)


def found(path: Path, profile: Profile) -> set[str]:
    template = Template(read(path.name, path.read_bytes()).body)
    judgement = judge((template,), settings=RuleSettings(profile=profile))
    return {finding.demand.name for finding in judgement.findings}
