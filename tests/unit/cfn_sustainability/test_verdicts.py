"""Verdicts on whole inputs, each with one thing that is easily judged wrong without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cfn_sustainability.__main__ import main

FOLDER = Path(__file__).with_name("verdicts")
Found = set[tuple[str, str]]


def scanned(capsys: pytest.CaptureFixture[str], *names: object) -> tuple[int, dict[str, Any]]:
    code = main(["scan", "--json", "--strict", *(str(FOLDER / str(name)) for name in names)])
    return code, json.loads(capsys.readouterr().out)


def findings(report: dict[str, Any], severity: str | None = None) -> Found:
    return {
        (finding["rule"].removeprefix("Sustainability-"), finding["resource"])
        for finding in report["findings"]
        if severity in (None, finding["severity"])
    }


def unjudged(report: dict[str, Any]) -> Found:
    return {
        (entry["rule"].removeprefix("Sustainability-"), entry["resource"])
        for entry in report["not_judged"]
    }


VERDICTS: list[tuple[str, Found, Found, Found]] = [
    # input, errors, warnings, and what must not be found; other rules may say more
    (
        "foreach.yaml",
        {("LambdaArm64", "FnA"), ("LambdaArm64", "FnB"), ("LambdaArm64", "FnC")},
        {("EbsGp3", "VolA"), ("EbsGp3", "VolB")},
        set(),
    ),
    ("transform_mixed.yaml", set(), set(), {("LambdaArm64", "F"), ("LambdaLogGroupDeclared", "F")}),
    ("dup.yaml", set(), set(), {("LambdaArm64", "F")}),
    ("dup.json", set(), set(), {("LambdaArm64", "F")}),
    (
        "anchors.yaml",
        set(),
        set(),
        {(rule, id_) for rule in ("LambdaArm64", "LambdaLogGroupDeclared") for id_ in "FG"},
    ),
    ("nested", set(), set(), {("SageMakerEndpointScales", "C")}),
    ("nested/serve.yaml", set(), set(), {("SageMakerEndpointScales", "C")}),
    ("kb", set(), {("KnowledgeBaseStoreSleeps", "K")}, {("OpenSearchServerlessSleeps", "Col")}),
    ("kb/a.yaml", set(), set(), {("OpenSearchServerlessSleeps", "Col")}),
    (
        "many.yaml",
        set(),
        {("Ec2CurrentGeneration", "A"), ("Ec2CurrentGeneration", "B")},
        set(),
    ),
    ("worlds.json", {("LambdaArm64", "F"), ("LambdaArm64", "G")}, set(), set()),
]


@pytest.mark.parametrize(
    ("name", "errors", "warnings", "never"), VERDICTS, ids=[case[0] for case in VERDICTS]
)
def test_verdict(
    name: str,
    errors: Found,
    warnings: Found,
    never: Found,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, report = scanned(capsys, name)
    assert errors <= findings(report, "error")
    assert warnings <= findings(report, "warning")
    assert not never & findings(report)


def test_every_input_has_a_verdict() -> None:
    judged = {FOLDER / case[0] for case in VERDICTS}
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert files
    assert all(judged & {path, path.parent} for path in files)


def test_what_is_not_linked_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert ("SageMakerEndpointScales", "C") in unjudged(scanned(capsys, "nested/serve.yaml")[1])
    assert ("OpenSearchServerlessSleeps", "Col") in unjudged(scanned(capsys, "kb/a.yaml")[1])
    assert ("LambdaArm64", "F") in unjudged(scanned(capsys, "transform_mixed.yaml")[1])


def test_a_key_that_stands_twice_is_told_with_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, place in (("dup.yaml", "6:7"), ("dup.json", "1:99")):
        _, report = scanned(capsys, name)
        (remark,) = report["remarks"]
        assert f"{name}:{place}: warning: the key Architectures stands twice" in remark


LOOP = """\
Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList%s}
Mappings: {Zones: {eu: {names: [A, B]}}}
Resources:
  Fn::ForEach::Outer:
    - Zone
    - !Ref Names
    - Fn::ForEach::Inner:
        - Kind
        - !FindInMap [Zones, eu, names]
        - "Vol${Zone}${Kind}":
            Type: AWS::EC2::Volume
            Properties: {Size: 1, VolumeType: gp2, AvailabilityZone: !Ref Zone}
"""


def test_loops_in_loops_over_parameters_and_mappings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "loop.yaml"
    file.write_text(LOOP % ", Default: 'x,y'")
    code, report = scanned(capsys, file)
    assert code == 0
    assert {i for _, i in findings(report)} == {"VolxA", "VolxB", "VolyA", "VolyB"}
    assert {finding["line"] for finding in report["findings"]} == {14}


@pytest.mark.parametrize(
    "text",
    [
        LOOP % "",
        "Resources: {'Fn::Transform': {Name: AWS::Include, Parameters: {Location: s3://b/k}}}",
        "Transform: TheirMacro\nResources: {T: {Type: AWS::SNS::Topic}}",
        "Resources: {T: {Properties: {TopicName: without a type}}}",
    ],
)
def test_what_no_rule_saw_is_counted_and_fails_strict(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    code, report = scanned(capsys, file)
    assert code == 1
    assert report["summary"]["not_seen"] == 1
    assert main(["scan", str(file)]) == 0
    assert f"{file}:" in capsys.readouterr().err


def test_an_empty_folder_is_not_a_clean_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = scanned(capsys, tmp_path)
    assert code == 1
    assert report["summary"]["not_seen"] == 1
