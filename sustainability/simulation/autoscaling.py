"""Application Auto Scaling and CloudWatch alarms, as far as they set the number of copies.

They behave as AWS documents them: metrics every 10 or 60 seconds, scale-out in proportion, scale-in
after 15 minutes, schedules that change the limits, several policies that must agree to scale in.
Where AWS documents nothing, the simulator assumes what is best for target tracking: copies that are
starting do not confuse it, and it scales in to the need of the busiest moment of the 15 minutes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from sustainability.offers.target_tracking import IN_SECONDS, IN_THRESHOLD, OUT_DATAPOINTS
from sustainability.simulation.engine import TICK, Observation
from sustainability.simulation.traffic import WEEK_SECONDS


class Metric(Enum):
    """The metric per copy of target tracking; the value is the number of ticks per data point."""

    CONCURRENT_REQUESTS = 1
    """``…ConcurrentRequestsPer…HighResolution``: running or queued questions."""
    INVOCATIONS = 6
    """``…InvocationsPer…``: questions per minute."""


@dataclass
class TargetTracking:
    """A target tracking policy, with the two alarms that AWS creates for it."""

    metric: Metric
    target: float
    scale_out_to: int | None = None
    """Wanted copies while the upper alarm is on."""
    scale_in_to: int | None = None
    """Wanted copies while the lower alarm is on."""
    _ticks: int = 0
    _sum: float = 0.0
    _above: int = 0
    _low: deque[float] = field(default_factory=deque)

    def see(self, seen: Observation) -> None:
        """Process a tick. Without a copy there is no data."""
        if not seen.live:
            self._ticks, self._sum, self._above = 0, 0.0, 0
            self._low.clear()
            self.scale_out_to = self.scale_in_to = None
            return
        counts = self.metric is Metric.INVOCATIONS
        self._sum += seen.questions if counts else seen.outstanding
        self._ticks += 1
        if self._ticks < self.metric.value:
            return
        needed = self._sum / self.target
        self._ticks, self._sum = 0, 0.0
        self._above = self._above + 1 if needed > seen.live else 0
        self.scale_out_to = math.ceil(needed) if self._above >= OUT_DATAPOINTS else None
        if needed >= IN_THRESHOLD * seen.live:
            self._low.clear()
        else:
            self._low.append(needed)
        full = IN_SECONDS / (self.metric.value * TICK)
        if len(self._low) > full:
            self._low.popleft()
        self.scale_in_to = math.ceil(max(self._low)) if len(self._low) >= full else None


@dataclass
class DemandAlarm:
    """An alarm on the questions that reach a model, on the endpoint or on Bedrock."""

    questions_per_period: float
    period: float
    datapoints: int
    above: bool
    """Whether the alarm is on at or above the threshold (True) or below it (False)."""
    _seconds: float = 0.0
    _questions: int = 0
    _breaching: int = 0

    def sees(self, seen: Observation) -> bool:
        """Process a tick and return whether the alarm is on."""
        self._seconds += TICK
        self._questions += seen.questions
        if self._seconds >= self.period:
            breaching = (self._questions >= self.questions_per_period) == self.above
            self._breaching = self._breaching + 1 if breaching else 0
            self._seconds, self._questions = 0.0, 0
        return self._breaching >= self.datapoints


class Bounds(NamedTuple):
    """The limits that a scheduled action sets from a time of the week."""

    time: float
    """Seconds since the week began."""
    minimum: int
    maximum: int


@dataclass
class Autoscaler:
    """A scalable target with its policies and schedule: the ``Scaler`` of an endpoint."""

    bounds: Sequence[Bounds]
    """In order of time, the first at 0."""
    copies: int
    """Number of copies when the traffic begins."""
    tracking: Sequence[TargetTracking] = ()
    wake: DemandAlarm | None = None
    wake_copies: int = 1
    """Copies that the wake alarm starts, if there are none."""
    sleep: DemandAlarm | None = None
    in_cooldown: float = 300.0
    repeat: float = WEEK_SECONDS
    """Seconds after which the schedule starts again."""
    start: float = 0.0
    """Seconds of the week when the traffic begins."""

    def __post_init__(self) -> None:
        self._times = [bound.time for bound in self.bounds]
        self._in_from = 0.0

    def __call__(self, seen: Observation) -> int:
        """Return the desired number of copies."""
        for policy in self.tracking:
            policy.see(seen)
        out = [policy.scale_out_to for policy in self.tracking if policy.scale_out_to]
        into = [policy.scale_in_to for policy in self.tracking if policy.scale_in_to is not None]
        if out:
            self.copies = max(self.copies, *out)
        elif into and len(into) == len(self.tracking) and seen.time >= self._in_from:
            if max(into) < self.copies:
                self._in_from = seen.time + self.in_cooldown
            self.copies = min(self.copies, max(into))
        if self.wake and self.wake.sees(seen) and not self.copies:
            self.copies = self.wake_copies
        if self.sleep and self.sleep.sees(seen):
            self.copies = 0
        now = self.bounds[bisect_right(self._times, (seen.time + self.start) % self.repeat) - 1]
        self.copies = min(max(self.copies, now.minimum), now.maximum)
        return self.copies


@dataclass
class QueueScaler:
    """Scaling of an asynchronous endpoint by its queue: zero copies if the queue is empty."""

    backlog_per_copy: float
    maximum: int
    wake_seconds: float
    """Seconds with a backlog and without a copy until the first copy starts."""
    sleep_seconds: float = IN_SECONDS
    """Seconds without work until all copies stop."""
    _waiting: float = 0.0
    _idle: float = 0.0
    _copies: int = 0

    def __call__(self, seen: Observation) -> int:
        """Return the desired number of copies."""
        busy = seen.outstanding > 0
        self._waiting = self._waiting + TICK if busy and not seen.live else 0.0
        self._idle = 0.0 if busy else self._idle + TICK
        if self._waiting >= self.wake_seconds:
            self._copies = max(self._copies, 1)
        if seen.live and busy:
            needed = math.ceil(seen.outstanding / self.backlog_per_copy)
            self._copies = min(self.maximum, max(self._copies, needed))
        if self._idle >= self.sleep_seconds:
            self._copies = 0
        return self._copies


@dataclass
class WindowScaler:
    """Jobs that start at fixed times of the day and end when their queue is empty."""

    starts: Sequence[float]
    """Seconds since midnight."""
    copies: int
    start: float = 0.0
    """Seconds of the week when the traffic begins."""
    _running: bool = False

    def __call__(self, seen: Observation) -> int:
        """Return the desired number of copies."""
        time = (seen.time + self.start) % 86400
        if any(start <= time < start + TICK for start in self.starts) and seen.outstanding:
            self._running = True
        if seen.live and not seen.outstanding:
            self._running = False
        return self.copies if self._running else 0
