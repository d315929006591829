"""Pairs of a wasteful and a lean template: the rules tell one from the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pairs import Pair, own_pairs, pairs_of
from cfn_sustainability.engine import judge
from cfn_sustainability.reader import read
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Template

GIVEN = Path(__file__).resolve().parents[4] / "shared" / "cases" / "rules" / "pairs"
"""Pairs that are no part of the repository."""
PAIRS = own_pairs() + (pairs_of(GIVEN) if GIVEN.is_dir() else [])
OF_DEVELOPMENT = {
    "22-nat-per-az",
    "24-opensearch-domain-standby-dev",
    "36-kendra-enterprise-dev",
    "41-rds-unscheduled-dev",
    "46-ecs-dev-no-spot",
    "49-api-cache-dev",
}
"""Waste in development alone: a standby, or a machine that is on at night."""


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_waste_is_told_from_the_lean(pair: Pair) -> None:
    development = pair.name in OF_DEVELOPMENT
    profile = Profile.DEVELOPMENT if development else RuleSettings().profile
    assert found(pair.waste, profile) - found(pair.lean, profile)


def found(content: bytes, profile: Profile) -> set[str]:
    template = Template(read("template.yaml", content).body)
    judgement = judge((template,), settings=RuleSettings(profile=profile))
    return {finding.demand.name for finding in judgement.findings}
