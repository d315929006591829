"""Sustainability rules: waste caught beside other tools, large templates, a synthesis."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import yaml
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from benchmarks.measurement import Measurement, best_seconds, programs_seconds
from benchmarks.pairs import Pair, chosen_pairs
from benchmarks.peers import installed
from cfn_sustainability.engine import judge
from cfn_sustainability.pack import SustainabilityChecks
from cfn_sustainability.reader import read
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Template

_STACKS, _FUNCTIONS = 4, 25
_TEMPLATES, _RESOURCES = 250, 28


def run() -> list[Measurement]:
    """Compare tools on pairs, scan large templates, and synthesize with and without the pack."""
    found = _compared(chosen_pairs())
    writers: dict[str, Callable[[object], str]] = {"JSON": json.dumps, "YAML": yaml.safe_dump}
    for form, write in writers.items():
        small, large = (_scan_seconds(write(_template(size)).encode()) for size in (1250, 5000))
        found += [
            Measurement(f"scan of 5,000 resources in {form}", large, "s", "≤ 2"),
            Measurement(f"four times 1,250 in {form}", large / small, "times", "≈ 4"),
        ]
    plain, checked = _synth_seconds()
    found.append(Measurement("added to a synth of 300", (checked / plain - 1) * 100, "%", "≤ 15"))
    return found


def _compared(pairs: list[Pair]) -> list[Measurement]:
    """Return the pairs that each tool tells apart, and what it takes for many templates."""
    found: list[Measurement] = []
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        waste, lean = Path(folder, "waste"), Path(folder, "lean")
        waste.mkdir()
        lean.mkdir()
        for pair in pairs:
            (waste / f"{pair.name}.yaml").write_bytes(pair.waste)
            (lean / f"{pair.name}.yaml").write_bytes(pair.lean)
        tools = installed()
        for tool, judge_folder in tools.items():
            wasteful, thrifty = judge_folder(waste), judge_folder(lean)
            caught = sum(
                bool(wasteful.get(pair.name, set()) - thrifty.get(pair.name, set()))
                for pair in pairs
            )
            found.append(Measurement(f"pairs of {len(pairs)} caught by {tool}", caught, ""))
        if "checkov" not in tools:
            return found
        many = Path(folder, "many")
        many.mkdir()
        text = yaml.safe_dump(_template(_RESOURCES))
        for number in range(_TEMPLATES):
            (many / f"{number}.yaml").write_text(text)
        for tool in ("checkov", "ours"):
            runs = 2 if tool == "checkov" else 5
            seconds[tool] = programs_seconds(partial(tools[tool], many), runs=runs)
            name = f"{_TEMPLATES} templates of {_RESOURCES} resources by {tool}"
            found.append(Measurement(f"{name}, processor time", seconds[tool], "s"))
    ratio = seconds["checkov"] / seconds["ours"]
    return [*found, Measurement("as fast as checkov", ratio, "times", "≥ 20")]


def _template(resources: int) -> dict[str, Any]:
    """Return a template with one finding in seven resources, in groups that refer to each other."""
    found: dict[str, Any] = {}
    for number in range(resources // 7):
        found |= {
            f"Role{number}": {"Type": "AWS::IAM::Role", "Properties": {"Path": "/"}},
            f"Logs{number}": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
            f"Function{number}": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Architectures": ["arm64" if number % 7 else "x86_64"],
                    "MemorySize": 512,
                    "Role": {"Fn::GetAtt": [f"Role{number}", "Arn"]},
                    "LoggingConfig": {"LogGroup": {"Ref": f"Logs{number}"}},
                    "Environment": {"Variables": {"TABLE": {"Ref": f"Table{number}"}}},
                },
            },
            f"Table{number}": {"Type": "AWS::DynamoDB::Table", "Properties": {}},
            f"Bucket{number}": {"Type": "AWS::S3::Bucket", "Properties": {}},
        }
        for kind in ("Read", "Write"):
            found[f"{kind}{number}"] = {
                "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                "Properties": {
                    "ResourceId": {"Fn::Sub": f"table/${{Table{number}}}"},
                    "ScalableDimension": f"dynamodb:table:{kind}CapacityUnits",
                },
            }
    return {"Resources": found}


def _scan_seconds(content: bytes) -> float:
    def scan() -> None:
        document = read("template", content)
        judgement = judge((Template(document.body),), settings=RuleSettings())
        document.positions([finding.location for finding in judgement.findings])

    return best_seconds(scan, runs=5)


def _synth_seconds() -> tuple[float, float]:
    """Return the shortest time without and with the pack."""
    _synth(with_pack=True)  # loads the libraries, on both sides of jsii
    times: dict[bool, list[float]] = {False: [], True: []}
    for with_pack in (False, True) * 9:  # in turn, so that other load on the machine hits both
        times[with_pack].append(best_seconds(partial(_synth, with_pack=with_pack), runs=1))
    return min(times[False]), min(times[True])


def _synth(*, with_pack: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder)
        for stack_number in range(_STACKS):
            stack = cdk.Stack(app, f"Stack{stack_number}")
            for number in range(_FUNCTIONS):
                lambda_.Function(
                    stack,
                    f"Function{number}",
                    architecture=lambda_.Architecture.ARM_64,
                    code=lambda_.Code.from_inline("def handler(event, context): pass"),
                    handler="index.handler",
                    log_group=logs.LogGroup(
                        stack, f"Logs{number}", retention=logs.RetentionDays.ONE_WEEK
                    ),
                    runtime=lambda_.Runtime.PYTHON_3_13,
                )
        if with_pack:
            cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))
        app.synth()
