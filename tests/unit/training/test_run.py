"""When a run is the same as another, without torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest

from training import data, job, train
from training.data import Example

ROWS = [Example("one?", "K1"), Example("two?", "K2")]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a model's weights, in the channel of that name."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    file = tmp_path / "input" / "data" / "model" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    return file


def asked(monkeypatch: pytest.MonkeyPatch, *options: str) -> argparse.Namespace:
    monkeypatch.setattr(sys, "argv", ["train", *options])
    return train.options()


def test_a_run_is_told_by_its_data_weights_and_settings(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train.run_identity(asked(monkeypatch), ROWS)
    assert train.run_identity(asked(monkeypatch, "--device=cpu"), ROWS[::-1]) == first
    others = {
        train.run_identity(asked(monkeypatch), [*ROWS, Example("three?", "K1")]),
        train.run_identity(asked(monkeypatch, "--epochs=1"), ROWS),
    }
    weights.write_bytes(b"other weights")
    others.add(train.run_identity(asked(monkeypatch), ROWS))
    assert len(others | {first}) == 4


def test_unchanged_data_starts_nothing(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """No library for training is even imported: there is none here."""
    monkeypatch.setattr(train.models, "prepare_torch", lambda device: device)
    channel = tmp_path / "input" / "data" / "train" / "train.jsonl"
    data.write(channel, ROWS)
    made = {"run": train.run_identity(asked(monkeypatch), ROWS)}
    job.write_json(tmp_path / "model" / "metrics.json", made)
    assert train.main() == 0
    assert "nothing to do" in capsys.readouterr().out
    data.write(channel, [*ROWS, Example("three?", "K1")])
    with pytest.raises(ModuleNotFoundError):
        train.main()


@pytest.mark.parametrize("option", ["--epochs=0", "--batch=-1", "--method=magic"])
def test_settings_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    with pytest.raises(SystemExit):
        asked(monkeypatch, option)
