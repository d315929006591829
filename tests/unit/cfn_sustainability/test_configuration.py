"""A settings file: thresholds, severities and exceptions, also by path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cfn_sustainability.__main__ import main

WASTEFUL = """\
Resources:
  F: {Type: AWS::Lambda::Function, Properties: {LoggingConfig: {LogGroup: a}}}
  V: {Type: AWS::EC2::Volume, Properties: {VolumeType: gp2}}
  S: {Type: AWS::ApiGateway::Stage, Properties: {CacheClusterEnabled: true}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("live", "sandbox"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").write_text(WASTEFUL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scanned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = main(["scan", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_a_path_has_its_own_profile_severities_and_exceptions(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "cfn-sustainability.yaml").write_text(
        "severity: {EbsGp3: error}\n"
        "paths:\n"
        "  - match: sandbox/*\n"
        "    rules: {profile: development}\n"
        "    severity: {Sustainability-LambdaArm64: warning}\n"
        "    ignore: {EbsGp3: these stacks live for an hour}\n"
    )
    code, findings = scanned(capsys, "live", "sandbox")
    found = {
        (f["file"][:4], f["rule"].removeprefix("Sustainability-")): (
            f["severity"],
            f["acknowledged"],
        )
        for f in findings
    }
    assert code == 1
    assert found["live", "EbsGp3"] == ("error", None)
    assert found["live", "LambdaArm64"] == ("error", None)
    assert ("live", "ApiCacheCluster") not in found
    assert found["sand", "EbsGp3"] == ("error", "these stacks live for an hour")
    assert found["sand", "LambdaArm64"] == ("warning", None)
    assert found["sand", "ApiCacheCluster"] == ("error", None)


def test_paths_are_relative_to_the_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = project / "sandbox" / "settings.yaml"
    file.write_text("paths: [{match: a.yaml, severity: {LambdaArm64: warning}}]\n")
    assert scanned(capsys, "sandbox/a.yaml", "--settings", str(file))[0] == 0
    assert scanned(capsys, "live/a.yaml", "--settings", str(file))[0] == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("severity: {LambdaArm46: error}\n", ":1: severity.LambdaArm46: no rule LambdaArm46"),
        ("severity: {LambdaArm64: fatal}\n", ":1: severity.LambdaArm64: Input should be"),
        ("rules: {}\nseverities: {}\n", ":2: severities: Extra inputs"),
        ("paths:\n  - rules: {profile: development}\n", ":2: paths.0.match: Field required"),
        (
            "paths:\n  - match: a\n    rules: {log_retention_days_max: never}\n",
            ":3: paths.0.rules.log_retention_days_max: Input should be",
        ),
        ("ignore: {EbsGp3: no}\n", ":1: ignore.EbsGp3: "),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line(
    text: str, problem: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "cfn-sustainability.yaml").write_text(text)
    assert main(["scan", "live"]) == 2
    assert f"cfn-sustainability.yaml{problem}" in capsys.readouterr().err
