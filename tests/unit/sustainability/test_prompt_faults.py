"""What a prompt wastes is named with its place and cure, before it is paid for with each answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sustainability.decide.model_choice.prompt_faults import faults_of, instruction_tokens
from sustainability.deployment.prompts import Prompt
from sustainability.deployment.schema import Deployment

ROOT = Path(__file__).resolve().parents[3]
OURS = ROOT / "prompts" / "answer.yaml"
MODULE = "sustainability.decide.model_choice.prompt_faults"


def written(folder: Path, **changes: Any) -> Path:
    """Write our prompt with some of its parts changed; all but two of them are metadata."""
    content = yaml.safe_load(OURS.read_text())
    content["metadata"]["limits"] |= {"notes_tokens": 9, "steps_tokens": 9}
    for key, value in changes.items():
        (content["metadata"] if key not in ("input_variables", "template") else content)[key] = (
            value
        )
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


def test_our_prompts_have_no_fault_and_deployments_keep_their_limit() -> None:
    for file in (ROOT / "prompts").glob("*.yaml"):
        assert list(faults_of(file)) == []
    most = yaml.safe_load(OURS.read_text())["metadata"]["limits"]["answer_tokens"]
    for file in (ROOT / "deployments").rglob("*.yaml"):
        assert Deployment.load(file).answers.max_tokens <= most, file


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"input_variables": ["passages", "question", "mood"]},
            "input_variables: mood is not in the template",
        ),
        ({"input_variables": ["passages"]}, "input_variables: the template uses question"),
        ({"limits": {"instruction_tokens": 200}}, "metadata.limits.answer_tokens: is missing"),
        ({"limits": {"answer_tokens": 100}}, "metadata.limits.instruction_tokens: is missing"),
        ({"limits": "few"}, "metadata.limits.instruction_tokens: is missing"),
        (
            {"limits": {"instruction_tokens": 20, "answer_tokens": 100}},
            "and 20 are allowed; shorten them",
        ),
        (
            {"system": "Use only what the passages say. Be kind. Use only what the Passages say."},
            "metadata.system: says 'use only what the passages say' twice",
        ),
        ({"template": "{passages} {"}, "not a prompt file"),
        ({"inference": {}}, "metadata.inference.temperature: is missing"),
        (
            {"inference": {"temperature": 0}, "samples": 3},
            "metadata.samples: at temperature 0 all samples are the same",
        ),
        ({"notes": "List facts."}, "metadata.notes: belongs together with {notes}"),
        ({"conclusion": "SO:"}, "metadata.conclusion: no instruction says to write 'SO:'"),
    ],
)
def test_a_fault_is_named_with_its_place(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    file = written(tmp_path, **changes)
    (fault,) = set(faults_of(file)) if "few" not in str(changes) else list(faults_of(file))[:1]
    assert fault.startswith(str(file))
    assert says in fault


def test_a_file_that_is_no_prompt_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(OURS), str(tmp_path / "none.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_count_of_tokens_follows_the_text(tmp_path: Path) -> None:
    short = Prompt.read(written(tmp_path, system="Be short."))
    assert 0 < instruction_tokens(short) < instruction_tokens(Prompt.read(OURS))
