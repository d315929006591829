"""The workflows of GitHub: correct, pinned, and with no more rights than they need."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
named = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def steps(job: dict[str, Any]) -> str:
    return "\n".join(str(step.get("run", "")) for step in job["steps"])


@pytest.mark.skipif(shutil.which("go") is None, reason="actionlint is a Go module")
def test_actionlint_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    command = ["go", "-C", str(ROOT / ".github" / "actionlint"), "tool", "actionlint"]
    # The first call on a machine downloads and builds it, and says so.
    first = subprocess.run([*command, "-version"], capture_output=True, text=True, check=False)
    if "dial tcp" in first.stderr:
        pytest.skip("actionlint is neither cached nor reachable")
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")

    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "run-on:"))
    outcome = subprocess.run([*command, str(wrong)], capture_output=True, text=True, check=False)
    assert 'unexpected key "run-on"' in outcome.stdout


@named
def test_actions_of_others_are_pinned_by_digest_and_say_their_version(file: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", file.read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
        assert re.match(r" # v\d+\.\d+\.\d+|$", comment) or "credentials" in comment
        assert comment


@named
def test_a_job_that_runs_changed_code_cannot_write_to_the_repository(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        rights = job.get("permissions", {})
        writes = {name for name, right in rights.items() if right == "write"}
        if "make" in steps(job) or "python" in steps(job):
            assert writes <= {"id-token", "security-events"}


@named
def test_no_text_of_others_becomes_a_part_of_a_script(file: Path) -> None:
    for job in yaml.safe_load(file.read_text())["jobs"].values():
        assert "${{" not in steps(job)


def test_the_difference_before_an_approval_needs_no_right_to_deploy() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    assert "--dry-run" in steps(jobs["difference"])
    assert jobs["difference"]["environment"].endswith("-read")
    assert jobs["deploy"]["needs"] == "difference"


def test_make_targets_that_workflows_call_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {
        name
        for file in WORKFLOWS
        for job in yaml.safe_load(file.read_text())["jobs"].values()
        for name in re.findall(r"\bmake ([a-z-]+)", steps(job))
    }
    assert called
    assert called <= targets
