"""The program of a compile job, with a compiler that only notes what it was told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from containers.neuron_vllm import compile_model
from containers.neuron_vllm.entrypoint import refusal

DOWNLOAD = "import pathlib, sys; pathlib.Path(sys.argv[-1]).mkdir()"
COMPILE = """
import pathlib, sys
folder = pathlib.Path(sys.argv[-1])
(folder / "checkpoint").mkdir(parents=True)
for name in ("neuron_config.json", "model.pt", "checkpoint/tp0.safetensors"):
    (folder / name).write_text(" ".join(sys.argv[1:]))
"""


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str) -> int:
    for name, source in (("hf", DOWNLOAD), ("optimum-cli", compiler)):
        program = tmp_path / name
        program.write_text(f"#!{sys.executable}\n{source}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    words = "--model Qwen/Qwen3-1.7B --batch-size 8 --sequence-length 4096 --tensor-parallel 2"
    places = ["--result", str(tmp_path / "result"), "--scratch", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["compile_model.py", *words.split(), *places])
    return compile_model.main(tmp_path / "output" / "failure")


def test_the_result_is_what_the_server_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, monkeypatch, COMPILE) == 0
    assert refusal({"SM_ON_MODEL": str(tmp_path / "result")}) is None
    told = (tmp_path / "result" / "model.pt").read_text()
    assert "--batch_size 8 --sequence_length 4096 --tensor_parallel_size 2" in told
    assert f"--model {tmp_path}/weights" in told, "from a folder, so that the weights are written"


def test_sagemaker_is_told_why_it_failed_and_no_server_starts_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path, monkeypatch, "raise SystemExit(3)") == 1
    assert "status 3" in (tmp_path / "output" / "failure").read_text()
    assert not (tmp_path / "result").exists()
