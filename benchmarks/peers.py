"""Tools that judge CloudFormation templates, each run as its users run it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shutil import which
from typing import Any

Found = Mapping[str, set[str]]
"""The rules that a tool found broken, by the stem of the template's file name."""


def ours(folder: Path) -> Found:
    """Return what the rules of this repository find, with their default profile."""
    command = [sys.executable, "-m", "cfn_sustainability", "scan", "--json", str(folder)]
    report = _json(command)
    return _by_stem((entry["file"], entry["rule"]) for entry in report["findings"])


def checkov(folder: Path) -> Found:
    """Return what checkov finds with all its rules for CloudFormation."""
    options = ("--framework", "cloudformation", "-o", "json", "--quiet", "--compact")
    report = _json(["checkov", "-d", str(folder), *options])
    failed = report["results"]["failed_checks"] if "results" in report else ()  # it found nothing
    return _by_stem((entry["file_path"], entry["check_id"]) for entry in failed)


def cfn_lint(folder: Path) -> Found:
    """Return what cfn-lint finds, its informational rules too."""
    files = map(str, sorted(folder.iterdir()))
    report = _json(["cfn-lint", "--format", "json", "--include-checks", "I", "--", *files])
    return _by_stem((entry["Filename"], entry["Rule"]["Id"]) for entry in report)


def aws_solutions(folder: Path) -> Found:
    """Return what the pack AwsSolutions of cdk-nag finds in apps that include the templates."""
    files = map(str, sorted(folder.iterdir()))
    return _by_stem(_json([sys.executable, "-m", "benchmarks.peers", *files]))


def _include(files: list[str]) -> list[tuple[str, str]]:
    """Return the file and the rule of each finding of AwsSolutions."""
    import aws_cdk as cdk
    import cdk_nag
    from aws_cdk import cloudformation_include

    found = []
    for file in files:
        with tempfile.TemporaryDirectory() as output:
            app = cdk.App(outdir=output, builtin_cloud_formation_validation=False)
            report = Path(output) / "validation-report.json"
            with contextlib.suppress(RuntimeError):  # findings fail the synthesis
                stack = cdk.Stack(app, "Stack")
                cloudformation_include.CfnInclude(stack, "Template", template_file=file)
                cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
                app.synth()
            if report.exists():  # the CDK includes no template that it cannot type
                plugins = json.loads(report.read_text())["pluginReports"]
                found += [(file, v["ruleName"]) for plugin in plugins for v in plugin["violations"]]
    return found


def installed() -> dict[str, Callable[[Path], Found]]:
    """Return the tools by name: ours, and each other one that this machine has."""
    programs = {"checkov": checkov, "cfn-lint": cfn_lint}
    there = {name: tool for name, tool in programs.items() if which(name)}
    return {"ours": ours, "cdk-nag AwsSolutions": aws_solutions, **there}


def _by_stem(found: Iterable[tuple[str, str]]) -> Found:
    rules: dict[str, set[str]] = {}
    for file, rule in found:
        rules.setdefault(Path(file).stem, set()).add(rule)
    return rules


def _json(command: list[str]) -> Any:
    """Return what a command prints; findings may give it any exit code.

    Its modules are compiled before, as those of an installed tool are.
    """
    compiled = {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "benchmarks-bytecode")}
    environment = {**os.environ, **compiled, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    begins = min((at for mark in "{[" if (at := done.stdout.find(mark)) >= 0), default=-1)
    if begins < 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or 'printed no JSON'}")
    document, _ = json.JSONDecoder().raw_decode(done.stdout[begins:])
    return document


if __name__ == "__main__":
    print(json.dumps(_include(sys.argv[1:])))
