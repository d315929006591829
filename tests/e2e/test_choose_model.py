"""The smallest model that is good enough, found through the deployed answer path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sustainability.__main__ import main
from sustainability.operate.account import Account
from tests.e2e.conftest import LOCAL, Models, quiet

SMALL, LARGE = "mistral.ministral-3-3b-instruct", "mistral.ministral-3-8b-instruct"
LIGHTHOUSE = """\
# Lighthouses

## The Skerry lighthouse

The Skerry lighthouse stands 38 metres high on a granite rock. Its lamp was changed to LED in 2019.
"""
GOLDEN = [
    {
        "id": "height",
        "question": "How high does the Skerry lighthouse stand?",
        "answerable": True,
        "answer_contains": ["38"],
    },
    {
        "id": "lamp",
        "question": "When was the lamp of the Skerry lighthouse changed to LED?",
        "answerable": True,
        "answer_contains": ["2019"],
    },
    {"id": "sauce", "question": "Which sauce goes with asparagus?", "answerable": False},
]


@pytest.fixture(scope="module")
def folder(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("choice")
    document = folder / "lighthouses.md"
    document.write_text(LIGHTHOUSE)
    account.wait_until_settled(account.add({document.name: document}), seconds=600, progress=quiet)
    (folder / "golden.yaml").write_text(yaml.safe_dump(GOLDEN))
    yield folder
    account.remove(document.name)
    account.wait_until_removed([document.name], seconds=600)


def choose(folder: Path, *arguments: str) -> int:
    return main(
        [
            *("choose-model", str(LOCAL), "--questions", str(folder / "golden.yaml")),
            *("--history", str(folder / "history"), *arguments),
        ]
    )


def test_the_smallest_candidate_is_asked_first_and_no_larger_one_if_it_is_good_enough(
    folder: Path, models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    before = models.counts()
    assert choose(folder, "--models", LARGE, SMALL, "extractive", "--json") == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert result["choice"]["model"] == "extractive"
    assert result["embedded"] is True
    assert [candidate["model"] for candidate in result["unasked"]] == [SMALL, LARGE]
    (tried,) = result["results"]
    assert (tried["correctness"], tried["groundedness"], tried["abstention"]) == (1, 1, 1)
    assert tried["wh_per_1000"]["high"] == 0
    after = models.counts()
    assert after["answers_generated"] == before["answers_generated"]
    assert after["texts_embedded"] == before["texts_embedded"] + len(GOLDEN)


def test_the_same_again_asks_nothing(
    folder: Path, models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    before = models.counts()
    assert choose(folder, "--models", "extractive") == 0
    assert "Choice: extractive" in capsys.readouterr().out
    assert models.counts() == before


def test_inference_parameters_are_candidates_and_what_they_take_is_measured(
    folder: Path, models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    before = models.counts()["answers_generated"]
    limits = ("--max-tokens", "16", "--max-tokens", "40")
    zero = ("--bar", "correctness=0", "--bar", "groundedness=0", "--bar", "abstention=0")
    assert choose(folder, "--models", SMALL, *limits, *zero, "--all", "--json") == 0
    shorter, longer = json.loads(capsys.readouterr().out)["results"]
    assert shorter["candidate"]["max_tokens"] == 16
    assert shorter["tokens_out"] <= 16 < longer["tokens_out"] <= 40
    assert 0 < shorter["wh_per_1000"]["mid"] < longer["wh_per_1000"]["mid"]
    # The unanswerable question reaches no generator.
    assert models.counts()["answers_generated"] == before + 4


def test_a_model_that_refuses_ends_the_run_with_the_cure_and_the_next_run_goes_on(
    folder: Path, models: Models, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--models", SMALL, "--temperature", "0.7", "--max-tokens", "16")
    models.fail(match="ministral", error="AccessDeniedException")
    assert choose(folder, *arguments) == 1
    error = capsys.readouterr().err
    assert "AccessDenied" in error
    assert "Your own permissions count here" in error
    before = models.counts()["texts_embedded"]
    assert choose(folder, *arguments, "--bar", "correctness=1") == 1
    assert "No candidate meets the quality bar." in capsys.readouterr().out
    assert models.counts()["texts_embedded"] == before + len(GOLDEN)
