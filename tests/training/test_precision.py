"""Fewer bits for each weight: how large a model gets, and that it still is the same model."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.models.contracts import Message, Prompt
from local.models.smollm2 import SmolLM2
from tests.training.conftest import BASE, Run


@pytest.mark.parametrize(("weights", "bits"), [("f16", 16), ("q8_0", 8.5), ("q4_0", 4.5)])
def test_a_model_has_as_many_bits_as_asked_for_and_answers(
    weights: str, bits: float, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / f"{weights}.gguf"
    run("training.precision", tmp_path, str(BASE), str(out), f"--weights={weights}")
    tokenizer_bytes = 2_000_000
    assert (out.stat().st_size - tokenizer_bytes) * 8 / 134.5e6 == pytest.approx(bits, rel=0.02)
    asked = Prompt([Message("user", "Name a colour.")], 8, 0.0, None, None, ())
    assert SmolLM2(out).generate(asked).text


def test_what_is_no_model_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_text("no model")
    done = run(
        "training.precision", tmp_path, str(tmp_path / "none.gguf"), str(tmp_path / "o"), code=1
    )
    assert "not a GGUF file" in done.stderr
