"""Where a job reads and writes, and what it was told: SageMaker's layout, also on a laptop.

SageMaker mounts everything below ``/opt/ml``. ``SAGEMAKER_BASE_DIR`` names another folder of the
same layout, ``SM_CHANNEL_TRAIN`` and its like name single folders, and options on the command line
win over ``input/config/hyperparameters.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class JobError(Exception):
    """What is wrong with a job's input, where, and how to mend it."""


def base() -> Path:
    """Return the folder that SageMaker mounts as ``/opt/ml``."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


def channel(name: str) -> Path:
    """Return the folder of an input channel.

    Raises
    ------
    JobError
        If there is none.
    """
    variable = f"SM_CHANNEL_{name.upper()}"
    path = Path(os.environ.get(variable) or base() / "input" / "data" / name)
    if not path.exists():
        raise JobError(f"{path}: there is no channel {name!r} here; set {variable} to its folder")
    return path


def model_dir() -> Path:
    """Return the folder whose contents become the model artifact."""
    return _made(os.environ.get("SM_MODEL_DIR") or base() / "model")


def checkpoint_dir() -> Path:
    """Return the folder that SageMaker copies to S3 while the job runs, and back at its start."""
    return _made(os.environ.get("SM_CHECKPOINT_DIR") or base() / "checkpoints")


def processing(direction: str, name: str) -> Path:
    """Return the folder of a processing job's ``input`` or ``output`` of this name."""
    path = base() / "processing" / direction / name
    if direction == "output":
        return _made(path)
    if not path.exists():
        raise JobError(f"{path}: the processing job has no input {name!r}")
    return path


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the job's hyperparameters, then the command line, which wins.

    SageMaker gives every hyperparameter as a string; each is read as the option of its name.
    """
    file = base() / "input" / "config" / "hyperparameters.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    flags = {flag for action in parser._actions for flag in action.option_strings}
    known = {flag[2:] for flag in flags if flag.startswith("--")} - {"help"}
    if unknown := sorted(given.keys() - known):
        raise JobError(
            f"{file}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    told = [f"--{name}={value}" for name, value in given.items()]
    return parser.parse_args([*told, *sys.argv[1:]])


def run(job: Callable[[], int]) -> int:
    """Run a job; write why it failed where SageMaker looks for it, and return its exit code."""
    try:
        return job()
    except JobError as error:
        print(error, file=sys.stderr)
        if base().is_dir():
            failure = base() / "output" / "failure"
            failure.parent.mkdir(exist_ok=True)
            failure.write_text(str(error)[:1024])
        return 1


def write_json(path: Path, value: Any) -> None:
    """Write a report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=2) + "\n")
    draft.replace(path)


def _made(path: str | Path) -> Path:
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    return path
