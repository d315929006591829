"""What a serving plan consists of: how a deployment's questions are answered, with reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from sustainability.deployment.function_sizes import GENERATION_S, LONGEST_GENERATION_S
from sustainability.deployment.schema import DeploymentError
from sustainability.offers.endpoint_models import InferenceModel

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class ServiceLevelError(DeploymentError):
    """A service level that cannot be met. Names the limit, and what can be met instead."""


class Mode(StrEnum):
    """How a deployment's questions are answered."""

    BEDROCK = "bedrock"
    """By Bedrock alone: there is never enough demand for an instance."""
    BRIDGED = "bridged"
    """By a real-time endpoint that sleeps at zero; Bedrock answers while it sleeps, wakes or is
    full."""
    REALTIME = "realtime"
    """By a real-time endpoint that never sleeps."""
    ASYNC = "async"
    """From a queue, by an endpoint that sleeps at zero."""
    BATCH = "batch"
    """In daily windows, by a job whose machines are gone afterwards."""


@dataclass(frozen=True, kw_only=True)
class DemandThreshold:
    """How many questions must reach a model, and for how long."""

    questions_per_period: float
    period_s: int
    datapoints: int
    """Periods in a row."""

    @property
    def questions_per_hour(self) -> float:
        """The same as an hourly rate."""
        return self.questions_per_period * 3600 / self.period_s


@dataclass(frozen=True, kw_only=True)
class ScheduledAction:
    """New bounds of the number of copies from a time of the week on, in the traffic's time zone."""

    days: tuple[int, ...]
    """0 is Monday."""
    hour: int
    minute: int
    min_copies: int
    max_copies: int

    @property
    def name(self) -> str:
        """Unique among a plan's actions."""
        days = "-".join(DAYS[day].lower() for day in self.days)
        return f"{days}-{self.hour:02}{self.minute:02}"

    @property
    def schedule(self) -> str:
        """The expression that Application Auto Scaling takes."""
        return f"cron({self.minute} {self.hour} ? * {','.join(DAYS[day] for day in self.days)} *)"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """When the daily jobs start, in the traffic's time zone, and on how many instances."""

    hours: tuple[int, ...]
    instances: int
    """0: a Bedrock batch job."""
    run_s: int
    """Expected time of one job, the start of its machines included."""


@dataclass(frozen=True, kw_only=True)
class AlarmThresholds:
    """What the monitors hold the service to; None where there is nothing to watch."""

    latency_p95_s: float | None = None
    """Of an answer, from the question to the last token."""
    endpoint_latency_p95_s: float | None = None
    """The endpoint's part of it."""
    utilization_floor: float | None = None
    """While copies above the minimum are busy for less than this share, they are waste."""
    demand_floor: DemandThreshold | None = None
    """Below it an awake endpoint takes more than Bedrock would."""
    backlog_age_s: float | None = None
    """Of the oldest question in the queue."""


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """How a deployment is served. Built by ``plan_serving``, never by hand.

    Counts and targets of copies are 0 or None without an endpoint, and targets are per copy.
    """

    mode: Mode
    instance_type: str | None
    """``ml.inf2.…``; ``None`` when no instance is ever worth it."""
    expected_instance_hours: float
    """Instance-hours in a month of 730 hours."""
    expected_utilization: float
    """Share of what the awake instances could answer that they are asked to, 0 to 1."""
    bedrock_share: float
    """Share of generated answers that Bedrock gives, 0 to 1."""
    expected_attainment: float | None
    """Share of the endpoint's answers that keep the service level. None when Bedrock gives all,
    which publishes no latency."""
    model: InferenceModel | None = None
    """What the instances run."""
    inference_components: bool = False
    """Whether copies are scaled, as inference components, or instances with one copy each."""
    copies_per_instance: int = 0
    min_copies: int = 0
    """Outside of all scheduled actions."""
    max_copies: int = 0
    target_invocations_per_minute: float | None = None
    """For target tracking: what a copy carries within the service level."""
    target_concurrency: float | None = None
    """For target tracking: questions under way or queued, beyond all chance, at which copies are
    slower than planned. Of an asynchronous endpoint: what a copy takes at a time."""
    target_backlog: float | None = None
    """For target tracking of an asynchronous endpoint: queued questions."""
    backlog_minutes: int = 0
    """How long a question waits in the queue of an endpoint that sleeps until it is woken."""
    scale_out_cooldown_s: int = 0
    scale_in_cooldown_s: int = 0
    wake: DemandThreshold | None = None
    """From it on an endpoint that sleeps is worth its first copy."""
    sleep: DemandThreshold | None = None
    """Below it the last copy is not."""
    patience_s: float | None = None
    """Seconds for which the answer function waits for the endpoint's whole answer; then Bedrock is
    asked, if it may answer. None where nobody waits."""
    schedule: tuple[ScheduledAction, ...] = ()
    batch: Batch | None = None
    alarms: AlarmThresholds = AlarmThresholds()
    reasons: tuple[str, ...]
    """One sentence for each decision, with the numbers to check it by."""

    @property
    def generation_s(self) -> float:
        """Of the answer function's deadline, the seconds that it keeps for generating."""
        return GENERATION_S if self.patience_s is None else LONGEST_GENERATION_S

    @property
    def min_instances(self) -> int:
        """Instances that are always there."""
        return math.ceil(self.min_copies / self.copies_per_instance) if self.min_copies else 0

    @property
    def max_instances(self) -> int:
        """The ceiling on spend."""
        return math.ceil(self.max_copies / self.copies_per_instance) if self.max_copies else 0
