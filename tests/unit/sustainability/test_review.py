"""What a change does: between two revisions of a small repository, and by the real `cdk diff`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sustainability.report.review import as_markdown, as_text
from sustainability.versions.checkout import Checkout
from sustainability.versions.review import review

ROOT = Path(__file__).resolve().parents[3]
# Stand in for the project and for the CDK CLI: a deployment file holds what they print.
PROJECT = """
import json, sys
wh, _ = open(sys.argv[2]).read().split()
if wh == "bad": sys.exit("this Region has no such model")
impact = {"kwh": [0, float(wh) / 1000, 9], "carbon_gco2e": [0, 1.0, 9], "usd": [0, 2.0, 9]}
print(json.dumps({"idle_per_month": impact, "traffic_per_month": impact, "per_1000_answers": None}))
"""
CDK = f"""#!{sys.executable}
import json, pathlib, sys
a = sys.argv
if a[1] == "diff":
    sys.exit(print(a[2], "differs", file=sys.stderr))
name = a[a.index("--context") + 1].partition("=")[2]
out = pathlib.Path(a[a.index("--output") + 1]); out.mkdir()
_, stacks = open(f"deployments/{{name}}.yaml").read().split()
for stack in stacks.split(","):
    kind, _, size = stack.partition("=")
    text = json.dumps({{"Resources": dict.fromkeys("abcdef"[:int(size)])}})
    (out / f"{{name}}-{{kind}}.template.json").write_text(text)
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "sustainability/__init__.py": "", "sustainability/__main__.py": PROJECT,
        "node_modules/.bin/cdk": CDK,
        "deployments/dev.yaml": "3 rag=2,budget=1", "deployments/same.yaml": "1 rag=1",
        "deployments/gone.yaml": "1 rag=1", "deployments/bad.yaml": "1 rag=1",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "node_modules/.bin/cdk").chmod(0o755)
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def test_each_deployment_that_changes_is_shown_before_and_after(repository: Path) -> None:
    (repository / "deployments/dev.yaml").write_text("6 rag=3,monitoring=4")
    (repository / "deployments/bad.yaml").write_text("bad rag=1")
    (repository / "deployments/gone.yaml").unlink()

    reviewed = review(repository, "main", ["bad", "dev", "gone", "same"])
    text = as_markdown(reviewed, "main")

    assert "| idle month, energy | 3 Wh | 6 Wh | +100% |" in text
    assert "carbon" not in text  # it stays the same
    assert "dev-rag differs" in text
    assert "A new stack with 4 resources." in text
    assert "no longer made" in text
    assert "**This deployment is now refused:**\n\n```text\nthis Region has no such model" in text
    assert "#### `gone`\n\nThis deployment is deleted." in text
    assert text.endswith("Nothing changes in `same`.")
    plain = as_text(reviewed, "main")
    assert "bad: this deployment is now refused:\nthis Region has no such model" in plain
    assert plain.index("idle month, energy") < plain.index("dev-rag differs")
    assert not re.search(r"<details>|\| |###|```", plain)
    assert git(repository, "worktree", "list").count("\n") == 1  # nothing is left behind


def test_a_long_difference_fits_into_a_comment(repository: Path) -> None:
    (reviewed,) = review(repository, "main", ["dev"])
    reviewed.stacks["dev-rag"] = "x" * 100_000
    assert len(as_markdown([reviewed], "main")) < 65_536
    reviewed.stacks["dev-rag"] = "short\n" * 20_000
    assert len(as_markdown([reviewed], "main")) < 65_536
    assert as_text([reviewed], "main").count("short") == 20_000  # a terminal leaves out nothing


def test_the_difference_is_that_of_the_cdk(tmp_path: Path) -> None:
    def template(days: int) -> dict[str, Any]:
        properties = {"RetentionInDays": days}
        return {"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}

    assembly = tmp_path / "cdk.out"
    assembly.mkdir()
    (assembly / "dev-rag.template.json").write_text(json.dumps(template(30)))
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/eu-north-1",
        "properties": {"templateFile": "dev-rag.template.json"},
    }
    manifest = {"version": "36.0.0", "artifacts": {"dev-rag": artifact}}
    (assembly / "manifest.json").write_text(json.dumps(manifest))
    former = tmp_path / "former.json"
    former.write_text(json.dumps(template(7)))

    difference = Checkout(ROOT).difference("dev-rag", assembly, former)

    assert "[-] 7\n" in difference
    assert "[+] 30\n" in difference
