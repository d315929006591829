"""The training program, on a model small enough to train in a second."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import TICKETS, Run, read
from training import data

EXAMPLES = TICKETS / "examples"
SHORT = ("--epochs=1", "--checks=4")


@pytest.fixture(scope="module")
def tiny(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model that was trained from scratch on raw text."""
    base = tmp_path_factory.mktemp("scratch")
    documents = sorted((TICKETS.parents[1] / "documents").rglob("*.md"))
    texts = [data.Example("", file.read_text()) for file in documents]
    data.write(base / "texts" / "train.jsonl", [*texts, texts[0]])
    run(
        "training.train",
        base,
        "--method=scratch",
        "--hidden=64",
        "--layers=2",
        "--length=64",
        "--learning-rate=3e-3",
        *SHORT,
        SM_CHANNEL_TRAIN=base / "texts",
    )
    return base / "model"


def test_a_model_from_scratch_learns_and_says_what_its_size_would_ask(tiny: Path) -> None:
    metrics = read(tiny / "metrics.json")
    assert metrics["validation_loss"][-1] < metrics["validation_loss"][0]
    assert metrics["tokens_worth_its_size"] == 20 * metrics["parameters"]
    assert metrics["flops_estimate"] == 6 * metrics["parameters"] * metrics["tokens"]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_run_goes_on_to_the_very_same_weights(
    run: Run, tiny: Path, tmp_path: Path, method: str
) -> None:
    def train(name: str, code: int = 0, **variables: Any) -> Any:
        return run(
            "training.train",
            tmp_path / name,
            f"--method={method}",
            *SHORT,
            code=code,
            SM_CHANNEL_MODEL=tiny / "merged",
            SM_CHANNEL_TRAIN=EXAMPLES,
            **variables,
        )

    train("whole")
    train("killed", code=-signal.SIGKILL, TRAINING_STOP_AT=15)
    assert not (tmp_path / "killed" / "model" / "metrics.json").exists()
    (torn,) = (tmp_path / "killed" / "checkpoints").glob("*/checkpoint-12")
    (torn.parent / "checkpoint-14").mkdir()  # a checkpoint that the kill tore
    train("killed")
    again = train("killed")
    assert "nothing to do" in again.stdout
    whole, resumed = (read(tmp_path / n / "model" / "metrics.json") for n in ("whole", "killed"))
    assert whole["resumed_from"] is None
    assert resumed["resumed_from"] == "checkpoint-12"
    assert resumed["weights_sha256"] == whole["weights_sha256"]


def test_each_method_trains_what_it_says(run: Run, tiny: Path, tmp_path: Path) -> None:
    trained = {}
    for method in ("prefix", "prompt", "ptuning"):
        run(
            "training.train",
            tmp_path / method,
            f"--method={method}",
            "--epochs=0.2",
            "--checks=1",
            SM_CHANNEL_MODEL=tiny / "merged",
            SM_CHANNEL_TRAIN=EXAMPLES,
        )
        trained[method] = read(tmp_path / method / "model" / "metrics.json")["trainable"]
        assert (tmp_path / method / "model" / "adapter" / "adapter_config.json").exists()
    assert 0 < trained["prompt"] < trained["prefix"]
    assert trained["prompt"] < trained["ptuning"]


def test_a_search_stays_within_its_trials_and_a_profile_is_written(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    run(
        "training.train",
        tmp_path,
        "--search-trials=2",
        "--profile=yes",
        *SHORT,
        SM_CHANNEL_MODEL=tiny / "merged",
        SM_CHANNEL_TRAIN=EXAMPLES,
    )
    assert len(list((tmp_path / "checkpoints" / "trials").iterdir())) == 2
    assert (tmp_path / "output" / "data" / "profile.json").stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--memory-gb=0.001"], "do not fit into memory"),
        (["--device=cuda"], "torch sees no GPU"),
    ],
)
def test_what_cannot_run_says_why(
    run: Run, tiny: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    failed = run(
        "training.train",
        tmp_path,
        *options,
        code=1,
        SM_CHANNEL_MODEL=tiny / "merged",
        SM_CHANNEL_TRAIN=EXAMPLES,
    )
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr
    assert says in (tmp_path / "output" / "failure").read_text()
