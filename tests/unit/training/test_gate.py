"""The gate's verdict, and what a run asks of a machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import compute, distill, evaluate, gate, job, prepare
from training.data import NO_ANSWER, Example


def scores(right: int, of: int = 40, **other: Any) -> dict[str, Any]:
    marks = [index < right for index in range(of)]
    means = {"refusals": 0.5, "grounded": 0.9, "prompt_tokens": 25.0}
    return {"score": right / of, "right": marks, **means, **other}


def test_a_better_model_passes_and_its_finding_says_by_how_much() -> None:
    verdict = gate.judge(scores(38), scores(10, prompt_tokens=190.0), margin=0.02)
    assert verdict.passed
    assert "95.0% of 40" in verdict.finding
    assert "25.0 prompt tokens instead of 190.0" in verdict.finding


@pytest.mark.parametrize(
    ("tuned", "says"),
    [
        (scores(30), "not better by 2 points"),
        (scores(29), "not better"),
        (scores(38, refusals=0.4), "refuses less rightly: 40.0%, 50.0%"),
        (scores(38, grounded=0.8), "grounded less: 80.0%, 90.0%"),
    ],
)
def test_what_does_not_pass_says_why(tuned: dict[str, Any], says: str) -> None:
    verdict = gate.judge(tuned, scores(30), margin=0.02)
    assert not verdict.passed
    assert says in verdict.finding


def test_a_handful_of_questions_decides_nothing() -> None:
    verdict = gate.judge(scores(8, of=8), scores(0, of=8), margin=0.02)
    assert "at least 20" in verdict.finding


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0, 0.5))
def test_whatever_passes_is_better_by_the_margin(tuned: int, below: int, margin: float) -> None:
    if gate.judge(scores(tuned), scores(below), margin=margin).passed:
        assert tuned > below
        assert (tuned - below) / 40 >= margin


def test_chance_is_that_of_a_coin() -> None:
    assert gate.chance([True] * 3, [False] * 3) == 1 / 8
    assert gate.chance([True, False], [False, True]) == 3 / 4
    assert gate.chance([True] * 9, [True] * 9) == 1


def test_prepare_and_gate_speak_by_files(tmp_path: Path, monkeypatch: Any) -> None:
    """The folders are those of the pipeline's processing steps."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["job"])
    inputs = tmp_path / "processing" / "input"
    rows = [Example(f"question {index}?", "K1") for index in range(3)]
    from training import data

    data.write(inputs / "examples" / "a.jsonl", [*rows, rows[0]])
    data.write(inputs / "golden" / "golden.jsonl", [Example("other?", "K1")])
    (inputs / "golden" / "instruction.txt").write_text("Answer.")
    assert job.run(prepare.main) == 0
    output = tmp_path / "processing" / "output"
    checks = json.loads((output / "report" / "checks.json").read_text())
    assert checks["examples"] == 3
    assert checks["duplicates_dropped"] == 1
    assert (output / "test" / "instruction.txt").exists()

    energy = {"energy": {"wh": 0.25}}
    for name, file, content in (
        ("scores", "scores.json", {"tuned": scores(38), "below": scores(9), **energy}),
        ("tuned", "metrics.json", {"data_hash": checks["data_hash"], **energy}),
    ):
        job.write_json(inputs / name / file, content)
    monkeypatch.setattr(sys, "argv", ["job", "--grams-per-kwh", "40"])
    assert job.run(gate.main) == 0
    verdict = json.loads((output / "verdict" / "verdict.json").read_text())
    assert verdict["passed"] is True
    assert (verdict["energy_wh"], verdict["carbon_g"]) == ("0.5", "0.02")

    data.write(inputs / "examples" / "b.jsonl", [Example("other?", "K1")])
    monkeypatch.setattr(sys, "argv", ["job"])
    assert job.run(prepare.main) == 1
    assert "leak: line 5" in (tmp_path / "output" / "failure").read_text()


def test_hyperparameters_are_read_as_options_and_unknown_ones_refused(
    tmp_path: Path, monkeypatch: Any
) -> None:
    import argparse

    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["job", "--batch", "4"])
    job.write_json(tmp_path / "input/config/hyperparameters.json", {"epochs": "2", "batch": "8"})
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--batch", type=int)
    assert vars(job.parse(parser)) == {"epochs": 2.0, "batch": 4}
    job.write_json(tmp_path / "input/config/hyperparameters.json", {"epoch": "2"})
    with pytest.raises(job.JobError, match="unknown epoch; known are batch, epochs"):
        job.parse(parser)


def test_answers_are_judged_by_words_and_refusals_by_their_mark() -> None:
    assert evaluate.is_right("k1 [1].", Example("?", "K1 [1]"))
    assert not evaluate.is_right("K1 K2 [1]", Example("?", "K1 [1]"))
    assert evaluate.is_right(f"{NO_ANSWER}.", Example("?", NO_ANSWER))
    assert evaluate.grounded("K1 and more [1]", "K1: payment and") == 2 / 3


def test_a_student_learns_no_golden_question_and_nothing_invented() -> None:
    answers = {
        "one?": "K1 [1]",
        "two?": "K9 [1]",
        "three?": f"{NO_ANSWER} at all",
        "golden?": "K1 [1]",
        "who?": "ask a@example.org",
        "four?": "",
    }
    kept, dropped = distill.taught(
        list(answers),
        lambda prompts: [answers[each] for each in prompts],
        [Example("golden?", "K1")],
        "K1: payment",
    )
    assert kept == [Example("one?", "K1 [1]"), Example("three?", NO_ANSWER)]
    assert dropped == {"golden": 1, "personal": 1, "empty": 1, "ungrounded": 1}


def test_a_teacher_writes_questions_of_documents() -> None:
    written = distill.questions_from(
        ["text"], lambda _: ["1. What is it?\n- Who did it?\nHere you are.\n2) What is it?"], each=2
    )
    assert written == ["What is it?", "Who did it?"]


def test_the_compute_of_a_run() -> None:
    assert compute.flops(100, 100, 7) == 6 * 100 * 7
    assert compute.optimal_tokens(135_000_000) == 2_700_000_000


@given(st.integers(1, 10**10), st.floats(0, 1), st.integers(1, 64), st.floats(1e6, 1e12))
def test_a_batch_is_spread_so_that_it_fits(
    size: int, share: float, batch: int, memory: float
) -> None:
    trained = int(size * share)
    asked = {"sequence_tokens": 128, "memory": memory, "supports_bfloat16": True}
    chosen = compute.batching(size, trained, batch=batch, **asked)  # type: ignore[arg-type]
    if chosen:
        assert chosen.micro_batch * chosen.accumulation == batch
        tokens = chosen.micro_batch * 128
        assert compute.memory_bytes(size, trained, tokens=tokens, precision="bfloat16") <= memory
    else:
        assert compute.memory_bytes(size, trained, tokens=128, precision="bfloat16") > memory
