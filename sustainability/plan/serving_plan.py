"""The parts of a serving plan: how the questions of a deployment are answered, with reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from sustainability.deployment.function_sizes import GENERATION_S, LONGEST_GENERATION_S
from sustainability.deployment.schema import DeploymentError
from sustainability.energy.impact import HOURS_PER_MONTH
from sustainability.energy.verdict import Compared
from sustainability.offers.bedrock import BATCH_RECORDS_MIN
from sustainability.offers.endpoint_models import InferenceModel

LEAST_CONCURRENCY = 10
"""Of the answer function, where traffic needs less: one person may ask several questions."""
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class ServiceLevelError(DeploymentError):
    """A service level that cannot be met. The message names the limit and what can be met."""


class Mode(StrEnum):
    """How the questions of a deployment are answered."""

    BEDROCK = "bedrock"
    """By Bedrock only: demand never reaches the break-even of an instance."""
    BRIDGED = "bridged"
    """By a real-time endpoint that scales to zero; Bedrock answers while it has no free copy."""
    REALTIME = "realtime"
    """By a real-time endpoint that is always on."""
    ASYNC = "async"
    """From a queue, by an asynchronous endpoint that scales to zero."""
    BATCH = "batch"
    """In daily windows: by an asynchronous endpoint that is at zero between them, or by a Bedrock
    batch job."""


@dataclass(frozen=True, kw_only=True)
class DemandThreshold:
    """A rate of questions that reach a model, and how long it must last."""

    questions_per_period: float
    period_s: int
    datapoints: int
    """Number of periods in a row."""

    @property
    def questions_per_hour(self) -> float:
        """The threshold as questions per hour."""
        return self.questions_per_period * 3600 / self.period_s


@dataclass(frozen=True, kw_only=True)
class ScheduledAction:
    """New limits of the number of copies from a time of the week, in the traffic's time zone."""

    days: tuple[int, ...]
    """0 is Monday."""
    hour: int
    minute: int
    min_copies: int
    max_copies: int

    @property
    def name(self) -> str:
        """A name that is unique within the plan."""
        days = "-".join(DAYS[day].lower() for day in self.days)
        return f"{days}-{self.hour:02}{self.minute:02}"

    @property
    def schedule(self) -> str:
        """The schedule expression for Application Auto Scaling."""
        return f"cron({self.minute} {self.hour} ? * {','.join(DAYS[day] for day in self.days)} *)"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The start hours of the daily windows in the traffic's time zone."""

    LOOK_S: ClassVar[int] = 300
    """Seconds between two looks of a window at what has been answered."""

    hours: tuple[int, ...]
    run_s: int
    """Expected seconds of one window, including the start of its instances."""

    @property
    def window_s(self) -> int:
        """Seconds from one window to the next."""
        return 24 * 3600 // len(self.hours)

    @property
    def queued_s(self) -> int:
        """Seconds that a question may wait in the queue of an asynchronous endpoint.

        SageMaker keeps none longer than 6 hours, and a window ends before the next one opens.
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
        """
        return min(6 * 3600, self.window_s) - 2 * self.LOOK_S


@dataclass(frozen=True, kw_only=True)
class AlarmThresholds:
    """The thresholds of the alarms; None if there is nothing to watch."""

    latency_p95_s: float | None = None
    """Seconds from the question to the last token."""
    endpoint_latency_p95_s: float | None = None
    """The part of the latency for the endpoint, in seconds."""
    utilization_floor: float | None = None
    """If copies above the minimum are busy for less than this share, they count as waste."""
    demand_floor: DemandThreshold | None = None
    """Below this demand, a running endpoint uses more than Bedrock."""
    backlog_age_s: float | None = None
    """Highest age of the oldest question in the queue, in seconds."""


@dataclass(frozen=True, kw_only=True)
class OtherMode:
    """The best plan of another mode that meets the service level, beside the chosen one."""

    mode: Mode
    instance_type: str | None
    compared: tuple[Compared, ...]
    """Energy, carbon and cost; the one that the deployment optimizes is the first."""


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """How a deployment is served. Only ``plan_serving`` builds it.

    Without an endpoint, numbers of copies are 0 and targets are None. Targets are per copy.
    """

    mode: Mode
    instance_type: str | None
    """Such as ``ml.inf2.xlarge``; ``None`` if the plan uses no instances."""
    expected_instance_hours: float
    """Instance-hours in a month (730 hours)."""
    expected_utilization: float
    """Answers of the running instances divided by their capacity, 0 to 1."""
    bedrock_share: float
    """Share of generated answers that Bedrock writes, 0 to 1."""
    expected_attainment: float | None
    """Share of the endpoint's answers that meet the service level. None if Bedrock writes all,
    because AWS publishes no latency for it."""
    model: InferenceModel | None = None
    """The model on the instances."""
    inference_components: bool = False
    """Whether copies are inference components. Otherwise each instance has one copy."""
    copies_per_instance: int = 0
    min_copies: int = 0
    """Minimum outside of all scheduled actions."""
    max_copies: int = 0
    target_invocations_per_minute: float | None = None
    """For target tracking: the capacity of a copy within the service level."""
    target_concurrency: float | None = None
    """For target tracking: concurrent requests, running or queued, that show that copies are slower
    than planned. For an asynchronous endpoint: the requests that a copy processes at a time."""
    target_backlog: float | None = None
    """For target tracking of an asynchronous endpoint: queued questions per copy."""
    backlog_minutes: int = 0
    """Minutes that a question waits in the queue of an endpoint at zero until it is started."""
    scale_out_cooldown_s: int = 0
    scale_in_cooldown_s: int = 0
    wake: DemandThreshold | None = None
    """From this demand on, an endpoint at zero starts its first copies."""
    wake_copies: int = 1
    """Copies that an endpoint at zero starts with."""
    sleep: DemandThreshold | None = None
    """Below this demand, an endpoint stops its last copy."""
    patience_s: float | None = None
    """Seconds that the answer function waits for the complete answer of the endpoint. After that it
    calls Bedrock, if Bedrock is allowed. None if no user waits."""
    schedule: tuple[ScheduledAction, ...] = ()
    batch: Batch | None = None
    answer_concurrency: int = LEAST_CONCURRENCY
    """Reserved concurrency of the answer function."""
    alarms: AlarmThresholds = AlarmThresholds()
    reasons: tuple[str, ...]
    """The reason for each decision, with the numbers to check it."""
    other_modes: tuple[OtherMode, ...] = ()
    """The runner-up is the first. Empty if no other mode meets the service level, or could take
    less."""

    @property
    def generation_s(self) -> float:
        """Seconds of the answer function's time limit that are reserved for generation."""
        return GENERATION_S if self.patience_s is None else LONGEST_GENERATION_S

    def in_batches(self, answers: float) -> bool:
        """Return whether Bedrock answers in batch jobs, which cost less than on-demand calls.

        A window with fewer questions than the minimum of a batch job is answered on demand.

        Parameters
        ----------
        answers
            Generated answers in a month (730 hours).
        """
        if self.batch is None:
            return False
        windows = len(self.batch.hours) * HOURS_PER_MONTH / 24
        return answers * self.bedrock_share >= BATCH_RECORDS_MIN * windows

    @property
    def min_instances(self) -> int:
        """Instances that always run."""
        return math.ceil(self.min_copies / self.copies_per_instance) if self.min_copies else 0

    @property
    def max_instances(self) -> int:
        """Highest number of instances, which limits the cost."""
        return math.ceil(self.max_copies / self.copies_per_instance) if self.max_copies else 0
