"""What others run from this repository: the pre-commit hook and the step of a GitHub workflow."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ACTION = ROOT / ".github/actions/scan/action.yml"
WASTE = "Resources: {L: {Type: AWS::Logs::LogGroup}}"
LEAN = "Resources: {L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}}"


def loaded(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("template", "code"), [(WASTE, 1), (LEAN, 0)])
def test_the_hook_judges_the_files_that_it_is_given(
    tmp_path: Path, template: str, code: int
) -> None:
    (hook,) = loaded(ROOT / ".pre-commit-hooks.yaml")
    file = tmp_path / "a.template.yaml"
    file.write_text(template)
    program, *arguments = shlex.split(hook["entry"])
    assert program == "python"
    command = [sys.executable, *arguments, str(file)]
    assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == code


@pytest.mark.parametrize(("template", "code"), [(WASTE, 1), (LEAN, 0)])
def test_the_workflow_step_annotates_and_writes_sarif(
    tmp_path: Path, template: str, code: int
) -> None:
    """The step as it stands, with a ``python`` that is installed already."""
    inputs = {name: entry["default"] for name, entry in loaded(ACTION)["inputs"].items()}
    (step,) = loaded(ACTION)["runs"]["steps"]
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    installed = bin_ / "installed"
    installed.write_text(f'#!/bin/sh\n[ "$2" = pip ] || exec {shlex.quote(sys.executable)} "$@"\n')
    python = bin_ / "python"
    python.write_text(f'#!/bin/sh\nmkdir -p "$3/bin" && cp {installed} "$3/bin/python"\n')
    for program in (installed, python):
        program.chmod(0o755)
    (tmp_path / "a.yaml").write_text(template)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        env={
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(tmp_path / "runner"),
            "ROOT": str(ROOT),
            "TEMPLATES": "a.yaml",
            "ARGUMENTS": inputs["arguments"],
            "SARIF": inputs["sarif"],
        },
    )
    assert done.returncode == code, done.stderr
    assert ("::error file=a.yaml,line=1" in done.stdout) == bool(code)
    report = json.loads((tmp_path / inputs["sarif"]).read_text(encoding="utf-8"))
    assert len(report["runs"][0]["results"]) == code


def test_the_package_carries_all_its_files() -> None:
    source = ROOT / "cfn_sustainability"
    declared = tomllib.loads((source / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {init.parent.relative_to(ROOT) for init in source.rglob("__init__.py")}
    assert {".".join(p.parts) for p in packages if "build" not in p.parts} == {
        *declared["packages"]
    }
    carried = {
        file
        for pattern in declared["package-data"]["cfn_sustainability"]
        for file in source.glob(pattern)
    }
    assert {file for suffix in ("csv", "json") for file in source.glob(f"**/*.{suffix}")} <= carried
