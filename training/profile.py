"""A trace of a few training steps by torch.profiler, which Perfetto and TensorBoard show.

It takes the place of SageMaker Profiler, whose support ends on 2027-06-30.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

_SCHEDULE = {"wait": 1, "warmup": 1, "active": 3, "repeat": 1}


class Profile(TrainerCallback):  # type: ignore[misc]
    """Records the third to fifth step of a run."""

    def __init__(self, trace: Path) -> None:
        from torch import profiler

        trace.parent.mkdir(parents=True, exist_ok=True)
        self._profiler = profiler.profile(
            schedule=profiler.schedule(**_SCHEDULE),
            on_trace_ready=lambda recorded: recorded.export_chrome_trace(str(trace)),
            profile_memory=True,
        )

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Begin."""
        self._profiler.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Count a step."""
        self._profiler.step()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Write the trace."""
        self._profiler.stop()
