"""The clock of the embedded AWS: the machine's time, or ahead of it after `python -m local wait`.

Metrics, alarms, cold starts, cooldowns, schedules and waiting state machines use this clock, so
that hours can pass in a moment. Other processes measure with the machine's clock.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

from ministack.services import cloudwatch

from local import ministack_internals as internals

_state = {"ahead_s": 0.0}
_TICK_S = 0.1
_KEPT_S = 455 * 86400.0
"""How long CloudWatch keeps metrics, by the hour: 455 days."""


def now() -> float:
    """Return the time, in seconds since the epoch."""
    return time.time() + _state["ahead_s"]


def here(timestamp: float) -> float:
    """Return the time here when the machine's clock shows `timestamp`."""
    return timestamp + _state["ahead_s"]


def move(seconds: float) -> None:
    """Move the clock forward by so many seconds."""
    _state["ahead_s"] += seconds


def sleep(seconds: float) -> None:
    """Wait until so many seconds have passed here."""
    until = now() + seconds
    while (left := until - now()) > 0:
        time.sleep(min(left, _TICK_S))


def install() -> None:
    """Make the emulator use this clock, and save it with the emulator's state."""
    cloudwatch.time = SimpleNamespace(time=now)
    internals.keep_hourly_metrics(_KEPT_S)
    internals.WAIT.wrap(lambda theirs: sleep)
    internals.keep("local_clock", lambda: _state, _state.update)
