"""The ``scan`` command: exit codes, formats, choices, and what it reads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

from cfn_sustainability.__main__ import main

WASTEFUL = """\
Resources:
  Answer:
    Type: AWS::Lambda::Function
    Properties:
      LoggingConfig: {LogGroup: a}
      Architectures: [x86_64]
"""
LEAN = WASTEFUL.replace("x86_64", "arm64")
ACKNOWLEDGED = f"""\
{WASTEFUL}    Metadata:
      cdk_nag:
        rules_to_suppress: [{{id: Sustainability-LambdaArm64, reason: its library is x86}}]
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "a template.yaml"
    path.write_text(WASTEFUL)
    return path


def scan(*arguments: object) -> int:
    return main(["scan", *map(str, arguments)])


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_an_error_is_told_with_its_place_and_fix(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(template) == 1
    out = capsys.readouterr().out
    assert (
        f"{template}:6:7: error Sustainability-LambdaArm64 on Answer (AWS::Lambda::Function)" in out
    )
    assert 'Architectures is ["x86_64"]; [arm64] would pass' in out
    assert "fix: Set Architectures to [arm64]" in out
    assert "errors: 1, warnings: 0" in out


def test_exit_codes(tmp_path: Path, template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lean = tmp_path / "lean.yaml"
    lean.write_text(LEAN)
    broken = tmp_path / "broken.yaml"
    broken.write_text("Resources:\n  A: [")
    assert scan(lean) == 0
    assert scan(template, "--warn-only") == 0
    assert scan(template, broken) == 2
    assert f"{broken}:3:1: not YAML" in capsys.readouterr().err
    assert scan(tmp_path / "absent.yaml") == 2
    assert "absent.yaml:1:1: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a template"),
        (["a.yaml", "--rule", "LambdaArm"], "did you mean LambdaArm64"),
        (["a.yaml", "--ignore", "LambdaArm64"], "one --reason for each --ignore"),
        (["a.yaml", "--settings", "absent.yaml"], "absent.yaml"),
    ],
)
def test_a_wrong_call_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(*arguments) == 2
    assert complaint in capsys.readouterr().err


def test_acknowledgements_in_the_template_are_honoured(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template.write_text(ACKNOWLEDGED)
    assert scan(template, "--json") == 0
    (finding,) = printed(capsys)["findings"]
    assert finding["acknowledged"] == "its library is x86"


def test_stale_and_wide_acknowledgements_in_templates_are_findings(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template.write_text(ACKNOWLEDGED.replace("x86_64", "arm64"))
    assert scan(template, "--json") == 0
    (finding,) = printed(capsys)["findings"]
    assert finding["rule"] == "Sustainability-AcknowledgementCurrent"
    assert finding["line"] == 7

    wide = ACKNOWLEDGED.replace("    Metadata:", "Metadata:")
    template.write_text(wide)
    assert scan(template, "--json") == 1
    found = {f["rule"]: f["acknowledged"] for f in printed(capsys)["findings"]}
    assert found == {
        "Sustainability-LambdaArm64": "its library is x86",
        "Sustainability-AcknowledgementNarrow": None,
    }


def test_rules_can_be_chosen_and_ignored_with_a_reason(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(template, "--rule", "LogGroupExpires") == 0
    arguments = ("--ignore", "Sustainability-LambdaArm64", "--reason", "moving in spring")
    assert scan(template, "--json", *arguments) == 0
    capsys.readouterr()
    scan(template, "--json", *arguments)
    report = printed(capsys)
    assert report["summary"]["ignored"] == {"LambdaArm64": "moving in spring"}
    assert not report["findings"]


def test_strict_shows_what_was_not_judged(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template.write_text(WASTEFUL.replace("x86_64", "!ImportValue a"))
    assert scan(template, "--strict") == 0
    assert "not judged Sustainability-LambdaArm64 on Answer" in capsys.readouterr().out
    assert scan(template) == 0
    assert "not judged Sustainability-LambdaArm64" not in capsys.readouterr().out


def test_settings_come_from_a_file(
    tmp_path: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("rules: {allowed_regions: [eu-north-1]}\n")
    template.write_text(LEAN)
    assert scan(template, "--settings", settings, "--region", "us-east-1") == 1
    assert "RegionAllowed on the template" in capsys.readouterr().out
    assert scan(template, "--settings", settings, "--region", "eu-north-1") == 0
    settings.write_text("rules: {log_retention_days_max: never}\n")
    assert scan(template, "--settings", settings) == 2
    assert f"{settings}:1: rules.log_retention_days_max" in capsys.readouterr().err
    settings.write_text("name: a\n")
    assert scan(template, "--settings", settings) == 2
    assert "no section rules" in capsys.readouterr().err


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = io.TextIOWrapper(io.BytesIO(json.dumps({"Resources": {}}).encode()))
    monkeypatch.setattr(sys, "stdin", content)
    assert scan("-", "--json") == 0
    assert printed(capsys)["summary"]["templates"] == 1


def test_of_a_folder_only_templates_are_read(
    tmp_path: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package.json").write_text('{"name": "a"}')
    (tmp_path / "spec.json").write_text('{"AWS::Lambda::Function": 1}')
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "b.yaml").write_text(WASTEFUL)
    assert scan(tmp_path, "--json") == 1
    assert printed(capsys)["summary"]["templates"] == 1
    (tmp_path / "half.yaml").write_text("Resources: {A: {Type: AWS::SNS::Topic}")
    assert scan(tmp_path) == 2


def test_a_broken_assembly_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for manifest in ("[]", "{}", '{"artifacts": {"a": 1}}', '{"artifacts": []}', "{"):
        (tmp_path / "manifest.json").write_text(manifest)
        assert scan(tmp_path) == 2
        assert "manifest.json:1:1: not a CDK cloud assembly" in capsys.readouterr().err


def test_sarif_is_what_code_scanning_expects(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template.write_text(ACKNOWLEDGED)
    broken = template.with_name("broken.yaml")
    broken.write_text("a: [")
    assert scan(template, broken, "--sarif") == 2
    log = printed(capsys)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert result["ruleId"] == rule["id"] == "Sustainability-LambdaArm64"
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]] is rule
    assert rule["defaultConfiguration"]["level"] == result["level"] == "error"
    assert result["suppressions"] == [{"kind": "inSource", "justification": "its library is x86"}]
    (location,) = result["locations"]
    place = location["physicalLocation"]
    assert unquote(urlparse(place["artifactLocation"]["uri"]).path) == str(template)
    assert place["region"] == {"startLine": 6, "startColumn": 7}
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert len(invocation["toolExecutionNotifications"]) == 1


def test_junit_counts_what_it_lists(template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template.write_text(WASTEFUL.replace("Answer", '"\\x1b[2JAnswer"'))
    lean, broken = template.with_name("lean.yaml"), template.with_name("broken.yaml")
    lean.write_text(LEAN)
    broken.write_text("a: [")
    assert scan(template, lean, broken, "--junit") == 2
    suites = {suite.get("name"): suite for suite in ET.fromstring(capsys.readouterr().out)}
    assert suites.keys() == {str(template), str(lean), str(broken)}
    for suite in suites.values():
        for kind in ("failure", "error"):
            assert int(suite.get(f"{kind}s", -1)) == len(suite.findall(f".//{kind}"))
        assert int(suite.get("tests", -1)) == len(suite.findall("testcase")) > 0
    assert len(suites[str(template)].findall(".//failure")) == 1
    assert len(suites[str(broken)].findall(".//error")) == 1


def test_help_loads_no_rules() -> None:
    code = (
        "import sys; from cfn_sustainability.__main__ import main\n"
        "try: main(['scan', '--help'])\n"
        "except SystemExit: print({'pydantic', 'yaml', 'aws_cdk'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_scanning_needs_no_cdk(template: Path) -> None:
    code = (
        "import sys; sys.modules |= dict.fromkeys(('aws_cdk', 'cdk_nag', 'jsii', 'constructs'))\n"
        "from cfn_sustainability.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, "scan", template], check=False)
    assert done.returncode == 1


def test_a_baseline_lets_old_findings_pass_and_new_ones_fail(
    tmp_path: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "baseline.json"
    assert scan(template, "--write-baseline") == 2
    assert scan(template, "--baseline", known) == 2
    assert scan(template, "--baseline", known, "--write-baseline") == 0
    template.write_text("# a line more\n" + WASTEFUL)
    assert scan(template, "--baseline", known) == 0
    template.write_text(WASTEFUL + WASTEFUL.partition("Resources:\n")[2].replace("Answer", "New"))
    assert scan(template, "--baseline", known) == 1
    template.write_text(LEAN)
    capsys.readouterr()
    assert scan(template, "--baseline", known, "--write-baseline") == 0
    assert "0 findings, 0 new, 1 fixed" in capsys.readouterr().err


def test_a_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "Sustainability-LambdaArm64"]) == 0
    assert "Passes:" in capsys.readouterr().out
    assert main(["explain", "LambdaArm"]) == 2
    assert "did you mean LambdaArm64" in capsys.readouterr().err


def test_annotations_of_github_keep_to_one_line(
    template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scan(template, "--github") == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"::error file={template},line=6,col=7,title=Sustainability-LambdaArm64")


def test_a_finding_in_a_cdk_app_names_the_construct_and_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the CDK writes it for TypeScript; it knows no lines of languages that call it by jsii."""
    monkeypatch.chdir(tmp_path)
    made = [
        {"type": "aws:cdk:logicalId", "data": "Answer"},
        {
            "type": "aws:cdk:creationStack",
            "data": [
                "...new Function2 in aws-cdk-lib...",
                f"new Shop ({tmp_path}/bin/shop.ts:9:5)",
                f"<anonymous> ({tmp_path}/bin/shop.ts:18:1)",
            ],
        },
    ]
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/unknown-region",
        "displayName": "Shop",
        "properties": {"templateFile": "Shop.template.json"},
        "metadata": {"/Shop/Answer/Resource": made},
    }
    folder = tmp_path / "cdk.out"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Shop": stack}}))
    (folder / "Shop.template.json").write_text(WASTEFUL)
    assert scan("cdk.out") == 1
    assert "in: Shop/Answer/Resource (bin/shop.ts:9:5)" in capsys.readouterr().out
    scan("cdk.out", "--json")
    (finding,) = printed(capsys)["findings"]
    assert (finding["construct"], finding["source"]) == (
        "Shop/Answer/Resource",
        "bin/shop.ts:9:5",
    )
    scan("cdk.out", "--github")
    assert "::error file=bin/shop.ts,line=9,col=5," in capsys.readouterr().out
    scan("cdk.out", "--sarif")
    (result,) = printed(capsys)["runs"][0]["results"]
    (related,) = result["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "bin/shop.ts"
