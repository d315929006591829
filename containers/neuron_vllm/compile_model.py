"""Compile a published model for Inferentia2: the program of a compile job.

It runs in the image that serves, so both have one Neuron SDK. The graphs and weights of the result
are put into place before its description (neuron_config.json), without which no server starts.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

DESCRIPTION = "neuron_config.json"
FAILURE = Path("/opt/ml/output/failure")
"""What SageMaker shows as the reason of a failed job."""


def main(failure: Path = FAILURE) -> int:
    """Download, compile and put the result into place; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="id on the Hugging Face Hub")
    for name in ("batch-size", "sequence-length", "tensor-parallel"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--result", type=Path, required=True, help="folder for the result")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp"))
    options = parser.parse_args()
    weights, compiled = options.scratch / "weights", options.scratch / "compiled"
    export = ["optimum-cli", "export", "neuron", "--task", "text-generation"]
    # From a folder, not an id: only then are the weights written beside the graphs.
    export += ["--model", str(weights), "--instance_type", "inf2"]
    export += ["--batch_size", options.batch_size, "--sequence_length", options.sequence_length]
    export += ["--tensor_parallel_size", options.tensor_parallel, str(compiled)]
    for command in (["hf", "download", options.model, "--local-dir", str(weights)], export):
        print(*command, flush=True)
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            failure.parent.mkdir(parents=True, exist_ok=True)
            failure.write_text(f"{error} The log of the job says why.")
            return 1
    files = [file for file in compiled.rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda file: file.name == DESCRIPTION):
        place = options.result / file.relative_to(compiled)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
