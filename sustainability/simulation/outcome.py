"""The outcome of a simulation; its memory does not grow with the number of questions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

_BINS_PER_E = 50
"""Latencies are counted in logarithmic bins, so percentiles have an error of up to 2 %."""


class Sample(NamedTuple):
    """One point of the plot."""

    time: float
    """Seconds since the start."""
    questions_per_hour: float
    live: int
    """Copies that serve."""
    billed: int
    """Billed instances: those that start, serve or are being released."""
    bedrock_share: float
    """Share of the questions since the last point that Bedrock answered."""


@dataclass
class Outcome:
    """Counts of a simulation. Times in seconds."""

    questions: int = 0
    on_time: int = 0
    """Questions answered within the limit."""
    failed: int = 0
    """Questions that neither a copy nor Bedrock answered while the caller waited. They are not in
    time."""
    abandoned: int = 0
    """Answers of the endpoint for which the caller no longer waited."""
    bedrock_questions: int = 0
    bedrock_input_tokens: float = 0.0
    bedrock_output_tokens: float = 0.0
    instance_seconds: float = 0.0
    work_seconds: float = 0.0
    """Seconds that one copy, with every slot busy, would have needed for the endpoint's answers."""
    launches: int = 0
    """Copies started."""
    latencies: dict[int, int] = field(default_factory=dict)
    timeline: list[Sample] = field(default_factory=list)

    def record(self, latency: float) -> None:
        """Count one latency."""
        index = int(math.log(latency) * _BINS_PER_E) if latency > 0 else -1000
        self.latencies[index] = self.latencies.get(index, 0) + 1

    def percentile(self, share: float) -> float:
        """Return the latency within which ``share`` of the questions were answered, in seconds."""
        answered, seen = sum(self.latencies.values()), 0
        for index in sorted(self.latencies):
            seen += self.latencies[index]
            if seen >= share * answered:
                return math.exp((index + 0.5) / _BINS_PER_E)
        return math.nan

    @property
    def attainment(self) -> float:
        """Share of the questions that met the service level."""
        return self.on_time / self.questions if self.questions else 1.0

    @property
    def instance_hours(self) -> float:
        """Instance-hours billed."""
        return self.instance_seconds / 3600

    @property
    def bedrock_share(self) -> float:
        """Share of the questions that Bedrock answered."""
        return self.bedrock_questions / self.questions if self.questions else 0.0
