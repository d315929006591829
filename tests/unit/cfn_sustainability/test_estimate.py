"""What is at stake in a finding, where facts allow an estimate."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import cfn_sustainability
from cfn_sustainability.__main__ import main
from cfn_sustainability.estimate import _SHARES, _UNITS
from cfn_sustainability.rules import ALL
from sustainability.facts.lookup import Facts

TEMPLATE = """\
Parameters: {Nodes: {Type: Number, Default: 4}}
Resources:
  Small: {Type: AWS::RDS::DBInstance, Properties: {Engine: postgres, DBInstanceClass: db.t3.small}}
  F: {Type: AWS::Lambda::Function, Properties: {LoggingConfig: {LogGroup: a}}}
  Large:
    Type: AWS::OpenSearchService::Domain
    Properties:
      EngineVersion: OpenSearch_2.19
      ClusterConfig: {InstanceType: r5.xlarge.search, InstanceCount: !Ref Nodes}
  C: {Type: AWS::OpenSearchServerless::Collection, Properties: {Name: c, Type: SEARCH}}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "a.yaml"
    file.write_text(TEMPLATE)
    return file


def test_the_most_at_stake_comes_first_and_unknown_last(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["scan", "--json", "--estimate", str(template)])
    findings = json.loads(capsys.readouterr().out)["findings"]
    stakes = [(f["resource"], f["kwh_a_month"]) for f in findings]
    assert [name for name, _ in stakes] == ["Large", "C", "Small", "F"]
    # 4 nodes of 4 vCPUs and 32 GiB: 3.5 W and 0.392 W/GiB at the most, of which AWS spares 60 %
    assert stakes[0][1] == pytest.approx([0, 0.73 * 0.6 * 4 * (4 * 3.5 + 32 * 0.392)])
    assert stakes[-1][1] is None


def test_what_is_not_known_says_so(template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", "--estimate", str(template)])
    out = capsys.readouterr().out
    assert "kWh a month (4 x r5.xlarge; estimate)" in out
    assert "at stake: not known" in out
    main(["scan", str(template)])
    assert "at stake" not in capsys.readouterr().out


def test_every_estimate_is_of_a_rule() -> None:
    assert _SHARES.keys() | _UNITS <= {rule.name for rule in ALL}


def test_facts_are_those_of_the_footprint() -> None:
    """The package imports nothing of the project, so it has the facts that it needs itself."""
    facts = Facts()
    text = Path(cfn_sustainability.__file__).with_name("data") / "energy.csv"
    for row in csv.DictReader(text.read_text(encoding="utf-8").splitlines()):
        if facts.has(f"power/{row['key']}"):
            known = facts(f"power/{row['key']}", row["unit"])
            assert (known.low, known.high) == (float(row["low"]), float(row["high"])), row["key"]
