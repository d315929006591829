"""``python -m training.compile``: compile a merged model for Inferentia2, once.

Runs in the serving image, for what is compiled belongs to the Neuron SDK that compiled it. Reads
the channel ``model``; its result is what an endpoint loads as it is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from training import job
from training.job import JobError

_COMMAND = "optimum-cli"


def main() -> int:
    """Compile; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.compile", description=__doc__)
    for name, what in (
        ("batch-size", "requests at once"),
        ("sequence-length", "tokens of prompt and answer together"),
        ("tensor-parallel", "NeuronCores for each copy"),
    ):
        parser.add_argument(f"--{name}", type=int, required=True, help=what)
    asked = job.parse(parser)
    model = job.channel("model") / "merged"
    if not (model / "config.json").exists():
        raise JobError(f"{model}: no merged model; lora, full and scratch make one, others do not")
    if not shutil.which(_COMMAND):
        raise JobError(f"{_COMMAND} is missing: compile in the serving image of Neuron")
    # From a folder, not a name on a hub: only then are the weights written with the graphs.
    export = [_COMMAND, "export", "neuron", "--model", str(model), "--task", "text-generation"]
    export += ["--instance_type", "inf2", "--batch_size", str(asked.batch_size)]
    export += ["--sequence_length", str(asked.sequence_length)]
    export += ["--tensor_parallel_size", str(asked.tensor_parallel), str(job.model_dir())]
    done = subprocess.run(export)
    if done.returncode:
        raise JobError(f"{' '.join(export)}: ended with {done.returncode}; its log says why")
    return 0


if __name__ == "__main__":
    sys.exit(job.run(main))
