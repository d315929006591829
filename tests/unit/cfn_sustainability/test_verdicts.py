"""Verdicts on whole inputs, each with one thing that is easily judged wrong without a word."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import cfn_sustainability
from cfn_sustainability.__main__ import main
from cfn_sustainability.offers import graviton_sibling, offers
from cfn_sustainability.rules._instances import takes_graviton

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


AT_EDGE = {("LambdaArm64", "F"), ("LambdaLogGroupDeclared", "F")}
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
    ("b3.yaml", set(), {("BucketLifecycle", "B"), ("BucketVersionsExpire", "B")}, set()),
    ("cf_nocache.yaml", set(), set(), {("CloudFrontCompresses", "D"), ("CloudFrontCaches", "D")}),
    ("edge_region.yaml", set(), set(), AT_EDGE),
    ("edge_sam.yaml", set(), set(), AT_EDGE),
    (
        "engines.yaml",
        set(),
        {("DatabaseGraviton", "Doc")},
        {
            ("CacheGraviton", "Kafka"),
            ("BrokerGraviton", "Kafka"),
            ("OpenSearchGraviton", "Es"),
            ("DatabaseGraviton", "AuroraSmall"),
            ("DatabaseGraviton", "X2"),
            ("DatabaseGraviton", "My57"),
        },
    ),
    (
        "oracle_replica.yaml",
        set(),
        {("DatabaseGraviton", "Snap")},
        {("DatabaseGraviton", name) for name in ("Main", "Replica", "Upper")},
    ),
    ("windows.yaml", set(), set(), {("Ec2Graviton", "I"), ("Ec2Graviton", "J")}),
    ("glue.yaml", set(), set(), {("GlueJobScales", "J")}),
    (
        "layer.yaml",
        {("LambdaArm64", "SnapStart")},
        {("LambdaArm64", "F"), ("LambdaArm64", "G")},
        set(),
    ),
    (
        "models.yaml",
        set(),
        {
            ("SmallModelFirst", name)
            for name in ("Nova", "Sonnet", "R1", "Qwen", "Llama", "Sonnet3")
        },
        set(),
    ),
    (
        "sam.yaml",
        set(),
        {
            ("LambdaTimeoutWithinBudget", "G"),
            ("LambdaProvisionedConcurrencyScales", "GAliaslive"),
            ("ScheduleDoesNotPoll", "GPoll"),
            ("EventSourceBatches", "GQ"),
            ("EventSourceBatches", "GS"),
            ("QueueGivesUp", "Q"),
            ("TableScales", "Simple"),
            ("StateMachineLogsErrors", "Machine"),
            ("ApiThrottles", "ServerlessRestApiProdStage"),
        },
        {("LambdaArm64", "G"), ("LambdaLogGroupDeclared", "G")},
    ),
    (
        "sam_globals_if.yaml",
        set(),
        set(),
        {("LambdaArm64", "G"), ("LambdaLogGroupDeclared", "G")},
    ),
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
    ("text", "seen"),
    [
        (LOOP % "", False),
        (
            "Resources: {'Fn::Transform': {Name: AWS::Include, Parameters: {Location: s3://b/k}}}",
            False,
        ),
        ("Transform: TheirMacro\nResources: {T: {Type: AWS::SNS::Topic}}", True),
        ("Resources: {T: {Properties: {TopicName: without a type}}}", False),
    ],
)
def test_what_no_rule_saw_fails_strict_and_a_template_of_which_nothing_was_seen_fails_always(
    text: str, seen: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(text)
    code, report = scanned(capsys, file)
    assert code == 1
    assert report["summary"]["not_seen"] == 1
    assert main(["scan", str(file)]) == (0 if seen else 1)
    assert f"{file}:" in capsys.readouterr().err


def test_an_empty_folder_is_not_a_clean_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = scanned(capsys, tmp_path)
    assert code == 1
    assert report["summary"]["not_seen"] == 1
    assert main(["scan", str(tmp_path)]) == 1
    assert f"{tmp_path}:1:1: not seen: no template was found" in capsys.readouterr().err


def test_without_the_translator_functions_are_judged_and_the_rest_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "samtranslator.parser.parser", None)
    code, report = scanned(capsys, "sam.yaml")
    assert code == 1
    assert ("LambdaTimeoutWithinBudget", "G") in findings(report)
    assert not {("LambdaArm64", "G"), ("LambdaLogGroupDeclared", "G")} & findings(report)
    (unseen,) = report["not_seen"]
    assert "pip install aws-sam-translator" in unseen["why"]


def test_a_published_application_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("boto3.client", lambda *_, **__: pytest.fail("the scan calls AWS"))
    file = tmp_path / "template.yaml"
    file.write_text("""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Rotation:
            Type: AWS::Serverless::Application
            Properties:
              Location:
                ApplicationId: arn:aws:serverlessrepo:us-east-1:123456789012:applications/a
                SemanticVersion: 1.0.3
          F:
            Type: AWS::Serverless::Function
            Properties: {Runtime: python3.13, Handler: app.handler, CodeUri: src}
        """)
    _, report = scanned(capsys, file)
    assert not report["not_seen"]
    assert ("LambdaArm64", "F") in findings(report, "error")


def test_what_get_template_prints_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"Resources": {"V": {"Type": "AWS::EC2::Volume", "Properties": {"VolumeType": "gp2"}}}}
    for answer in (body, json.dumps(body)):
        text = json.dumps({"StagesAvailable": ["Original"], "TemplateBody": answer}, indent=2)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main(["scan", "-", "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert ("EbsGp3", "V") in findings(report)


def test_no_rule_suggests_a_class_that_nobody_offers() -> None:
    for offer in offers().values():
        for name in offer.classes:
            sibling = graviton_sibling(offer, name, None)
            assert sibling is None or (sibling.is_graviton and sibling.name in offer.classes)


FACTS = Path(cfn_sustainability.__file__).with_name("data")
AGE_MAX = timedelta(days=120)


def test_facts_are_not_older_than_120_days() -> None:
    dated = {"instance_classes.json": json.loads((FACTS / "instance_classes.json").read_text())}
    dates = {name: [document["date"]] for name, document in dated.items()}
    for file in FACTS.glob("*.csv"):
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        dates[file.name] = [row["checked"] for row in rows if "checked" in row]
    for name, checked in dates.items():
        for day in checked:
            age = date.today() - date.fromisoformat(day)
            assert age < AGE_MAX, f"{name} is of {day}: make refresh, or check it by hand"


@pytest.mark.parametrize(
    ("engine", "number", "taken"),
    [
        ("mysql", "8.0.36", True),
        ("mysql", "8.0.23", False),  # R6g takes it, T4g does not
        ("mysql", "8.4.3", True),
        ("mysql", "8.0", None),
        ("mysql", "5.7.44", False),
        ("mysql", None, None),
        ("aurora-mysql", "8.0.mysql_aurora.3.05.2", True),
        ("aurora-mysql", "5.7.mysql_aurora.2.07.1", False),
        ("oracle-ee", "19", False),
        ("aurora-postgresql", "13.2", False),
        ("aurora-postgresql", "13.9", True),
        ("aurora-postgresql", "14", None),
        ("aurora-postgresql", "18.1", True),
        ("docdb", "3.6.0", False),
        ("docdb", "5.0.0", None),  # no page of AWS was found that says so
        ("kafka", "2.8.2.tiered", True),
        ("kafka", "2.8.1", False),
        ("kafka", "3.2.0", False),
        ("kafka", "3.7.x", True),
    ],
)
def test_engines_that_take_graviton(engine: str, number: str | None, taken: bool | None) -> None:
    assert takes_graviton(engine, number) is taken
