"""The commands of the documentation run, word for word, in any folder.

Those that need an account or minutes are named with the test that runs them.
"""

from __future__ import annotations

import ast
import glob
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("cfn_sustainability/*.md")])
_COMMAND = re.compile(r"\s*(?:\$ )?(python -m (?:sustainability|cfn_sustainability)\b.*)")
ELSEWHERE = {
    "sustainability add": "e2e/test_documents_and_answers.py::test_the_command_line_asks_and",
    "sustainability ask": "e2e/test_documents_and_answers.py::test_the_command_line_asks_and",
    "sustainability choose-model": "e2e/test_choose_model.py::test_the_smallest_candidate",
    "sustainability deploy-policy": "unit/sustainability/test_deploy_access.py::",
    "sustainability documents": "e2e/test_documents_and_answers.py::test_a_poisonous_document",
    "sustainability reindex": "e2e/test_generations.py::test_until_a_lost_index",
    "sustainability remove": "e2e/test_documents_and_answers.py::test_a_forgotten_document",
    "sustainability report": "e2e/test_operations.py::test_the_report_reads_the_history",
    "sustainability simulate": "unit/sustainability/test_simulate.py::",
    "sustainability verify": "unit/sustainability/test_verify.py::",
    "cfn_sustainability scan --stack": "unit/cfn_sustainability/test_stacks.py::test_the_stack",
    "--against": "unit/sustainability/test_comparison.py::test_a_file_is_read",
}
"""A part of the command, and where it runs instead: a file of tests/ and how the test begins."""
WASTE = {
    "Resources": {
        "Server": {"Type": "AWS::EC2::Instance", "Properties": {"InstanceType": "m4.large"}}
    }
}


def commands() -> list[str]:
    """The commands in blocks of the pages, each once, without the comment behind it."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
        for line in text.splitlines():
            if (match := _COMMAND.fullmatch(line)) and "NAME" not in line:
                found[" ".join(re.sub(r"\s+#.*$", "", match[1]).split())] = None
    return list(found)


def elsewhere(command: str) -> str | None:
    return next((test for part, test in ELSEWHERE.items() if f" {part}" in command), None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder than the repository, with what a reader would have."""
    for name in ("cdk.out", "templates"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.template.json").write_text(json.dumps(WASTE))
    (tmp_path / "template.yaml").write_text(json.dumps(WASTE))
    asked = [f"{number * 30},{900 + number % 7},{100 + number % 11}" for number in range(400)]
    (tmp_path / "trace.csv").write_text("\n".join(["t_s,in_tokens,out_tokens", *asked]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [each for each in commands() if not elsewhere(each)])
def test_a_command_of_the_pages_runs(
    command: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, program, *words = shlex.split(command)
    arguments = [part for word in words for part in (glob.glob(word) or [word])]
    monkeypatch.setattr("sys.argv", [program, *arguments])
    finds = 1 if "scan" in arguments else 0  # the templates here waste something

    assert importlib.import_module(f"{program}.__main__").main() == finds, capsys.readouterr().err
    for option in ("--html", "--plot"):
        if option in arguments:
            assert (folder / arguments[arguments.index(option) + 1]).stat().st_size > 1000


def test_each_other_command_runs_in_the_test_that_is_named() -> None:
    others = [each for each in commands() if elsewhere(each)]
    assert others
    for command in others:
        file, _, begins = (elsewhere(command) or "").partition("::")
        tests = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8")).body
        assert any(
            isinstance(each, ast.FunctionDef) and each.name.startswith(begins or "test_")
            for each in tests
        ), command
