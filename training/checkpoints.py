"""Checkpoints that are whole, and the callback that keeps them."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

_WHOLE = "whole"
"""A file that is written when all others are: a killed run leaves its last checkpoint without."""


def newest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint; those that are not whole are deleted."""
    found = []
    for path in folder.glob("checkpoint-*"):
        if (path / _WHOLE).exists():
            found.append((int(path.name.rpartition("-")[2]), path))
        else:
            shutil.rmtree(path)
    return max(found)[1] if found else None


class KeepCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Marks what is whole; on SIGTERM, which spot capacity sends first, saves once more and stops.

    ``TRAINING_STOP_AT`` names a step after which the process kills itself: a test of all this.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._stop_at = int(os.environ.get("TRAINING_STOP_AT", "-1"))
        signal.signal(signal.SIGTERM, self._interrupt)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint that was just written."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop where this was asked for."""
        if self.interrupted:
            control.should_save = control.should_training_stop = True
        if state.global_step == self._stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _interrupt(self, *_: Any) -> None:
        self.interrupted = True
