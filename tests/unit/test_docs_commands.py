"""The commands of the documentation run, word for word, in any folder.

Those that need an account or minutes are named with the test that runs them; of these, and of
those of ``make``, every word is checked: target, variable, deployment, command, argument, option.
"""

from __future__ import annotations

import argparse
import ast
import glob
import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES as MEASUREMENTS
from local.embedded import PORTS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("cfn_sustainability/*.md")])
_COMMAND = re.compile(r"\s*(?:\$ )?(python -m (?:sustainability|cfn_sustainability)\b.*)")
_MODULES = "sustainability|cfn_sustainability|local|benchmarks|handbook|tests|training"
_SPOKEN = re.compile(rf"python -m ((?:{_MODULES})\b[^`\n]*)")
"""A command anywhere on a page; in a sentence, often without its arguments."""
_MAKE = re.compile(r"(?:`|^\s*\$ (?:.*\s)?)make ([a-z][^`\n]*)", re.MULTILINE)
_TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_VARIABLES = {
    *re.findall(r"\b[A-Z]+\b", (ROOT / "Makefile").read_text()),
    *(f"{name.upper()}_PORT" for name in PORTS),
}
"""What ``make`` or what it starts may read."""
_QUICK = (["help"], ["status"])
_ENDS = ("|", ">", ";", "&&")
ELSEWHERE = {
    "sustainability add": "e2e/test_documents_and_answers.py::test_the_command_line_asks_and",
    "sustainability ask": "e2e/test_documents_and_answers.py::test_the_command_line_asks_and",
    "sustainability choose-model": "e2e/test_choose_model.py::test_the_smallest_candidate",
    "sustainability deploy-policy": "unit/sustainability/test_deploy_access.py::",
    "sustainability documents": "e2e/test_documents_and_answers.py::test_a_poisonous_document",
    "sustainability reindex": "e2e/test_generations.py::test_until_a_lost_index",
    "prompts --compare": "unit/sustainability/test_prompts.py::test_an_experiment_is_made_once",
    "prompts --search": "unit/sustainability/test_prompts.py::test_the_search_stays_within",
    "sustainability remove": "e2e/test_documents_and_answers.py::test_a_forgotten_document",
    "sustainability report": "e2e/test_operations.py::test_the_report_reads_the_history",
    "sustainability review-models": "unit/sustainability/test_review_models.py::",
    "sustainability simulate": "unit/sustainability/test_simulate.py::",
    "--from-account": "unit/operations/test_measured_traffic.py::test_the_commands_print",
    "sustainability verify": "unit/sustainability/test_verify.py::",
    "cfn_sustainability scan --stack": "unit/cfn_sustainability/test_stacks.py::test_the_stack",
    "--answered": "unit/sustainability/test_model_choice.py::test_the_footprint_states_what",
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


def spoken(pattern: re.Pattern[str]) -> list[list[str]]:
    """The words of each command that the pattern finds on a page, without a comment behind it."""
    found = {}
    for page in PAGES:
        text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
        for match in pattern.finditer(text):
            words = shlex.shlex(match[1], posix=True, punctuation_chars=True)
            words.whitespace_split = True
            found[match[1]] = list(takewhile(lambda word: word not in _ENDS, words))
    return [words for words in found.values() if not {"NAME", "…"} & set(words)]


class Accepted(Exception):
    """The arguments are those of a command, which was not run."""


@pytest.mark.parametrize("words", spoken(_SPOKEN), ids=" ".join)
def test_every_word_of_a_command_is_accepted(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *arguments = words
    if program not in ("sustainability", "cfn_sustainability", "local"):
        assert importlib.util.find_spec(program)
        if program == "benchmarks":
            assert set(arguments) <= set(MEASUREMENTS)
        return
    parse = argparse.ArgumentParser.parse_args

    def accept(parser: argparse.ArgumentParser, given: Any = None) -> None:
        parse(parser, given)
        raise Accepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", accept)
    monkeypatch.setattr("sys.argv", [program, *arguments])
    try:
        importlib.import_module(f"{program}.__main__").main()
    except Accepted:
        return
    except SystemExit:
        said = capsys.readouterr().err
    # A sentence may name a command without its arguments, but no other word.
    assert "the following arguments are required" in said, said


@pytest.mark.parametrize("words", spoken(_MAKE), ids=" ".join)
def test_a_target_of_make_exists_with_its_variables_and_its_deployment(words: list[str]) -> None:
    target, *variables = words
    assert target in _TARGETS
    for name, _, value in (variable.partition("=") for variable in variables):
        assert name in _VARIABLES
        assert name != "DEPLOYMENT" or (ROOT / "deployments" / f"{value}.yaml").is_file()
    made(["--dry-run", *words])


@pytest.mark.parametrize("words", _QUICK, ids=" ".join)
def test_a_quick_target_of_make_runs(words: list[str]) -> None:
    assert made(words)


def made(words: list[str]) -> str:
    """Run make here as if it were set up, also within another make."""
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    ready = Path(sys.prefix) / ".ready"
    done = subprocess.run(
        ["make", "--old-file", os.path.relpath(ready, ROOT), *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
