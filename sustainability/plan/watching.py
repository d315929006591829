"""How closely a deployment is watched, and which metrics its functions send for that.

Alarms, dashboards and custom metrics cost the same whether a deployment answers ten questions a
month or a million. So the level follows from the service level: ``best_effort`` gets the alarms
that tell of an outage, of spending without end and of waste, and no dashboard. The other levels get
every alarm and two dashboards. A metric that no alarm, no dashboard and no hourly footprint record
reads is not sent; its value is still in the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from sustainability.deployment.schema import Availability, Deployment, Store
from sustainability.energy.small_first import SmallFirst
from sustainability.facts.lookup import Facts
from sustainability.plan.serving_plan import ServingPlan
from sustainability.stores.kinds import chosen

_ANSWERS_LEAST = (
    "Questions",
    "Errors",
    "Deferred",
    "AnswerLatency",
    "CacheHits",
    "BedrockAnswers",
    "InputTokens",
    "OutputTokens",
    "EmbeddingTokens",
)
_ANSWERS_MORE = (
    "NothingFound",
    "OutputTruncated",
    "EmbeddingLatency",
    "EnergyWhLow",
    "EnergyWhMid",
    "EnergyWhHigh",
    "CarbonGramsMid",
    "MemoryUsed",
)
_INGEST_LEAST = (
    "EmbeddingTokens",
    "DocumentsIndexed",
    "DocumentsUnchanged",
    "DocumentsDeleted",
    "DocumentsRejected",
    "ChunksEmbedded",
)
_INGEST_MORE = ("ChunksUnchanged", "MemoryUsed")
_ACCELERATOR_LEAST = ("NeuronCoreUtilization", "ExecutionErrorsHardware", "EccEventsUncorrected")
_ACCELERATOR_MORE = (
    "NeuronDeviceMemoryUsed",
    "NeuronDeviceMemoryProvisioned",
    "RuntimeVcpuUtilization",
    "SystemVcpuUtilization",
    "SystemMemoryUtilization",
    "ExecutionsCompleted",
    "ExecutionErrorsModel",
    "ExecutionErrorsNumerical",
    "ExecutionErrorsRuntime",
    "ExecutionErrorsTransient",
    "ExecutionErrorsGeneric",
    "ExecutionLatencyP50",
    "ExecutionLatencyP99",
    "ExecutionLatencyP100",
    "EccEventsCorrected",
    "MonitorRestarts",
    "MonitorSilent",
)
_QUALITY = ("Abstentions", "Grounded")
_COURSE = (
    "OffTargetStore",
    "OffTargetGenerating",
    "OffTargetEmbedding",
    "OffTargetEndpoint",
    "OffTargetFunctions",
    "OffTargetStanding",
    "OffTargetTraffic",
    "QualityDrop",
)
_RECORD = ("TotalEnergyWhMid", "TotalCarbonGramsMid", "TotalCostUsdMid")


@dataclass(frozen=True)
class Watching:
    """The custom metrics that functions and accelerators of a deployment send, by name."""

    is_least: bool
    """Whether the deployment gets the fewest alarms and no dashboards."""
    answers: tuple[str, ...]
    """Of the answer function, in the hours in which it is asked."""
    ingest: tuple[str, ...]
    """Of the ingest function, in the hours in which documents change."""
    record: tuple[str, ...]
    """Of the hourly footprint record, of every hour."""
    record_awake: tuple[str, ...]
    """Of the hourly footprint record, of hours in which the store or an endpoint runs."""
    course: tuple[str, ...]
    """Of the course, once a day. Each has an alarm."""
    accelerator: tuple[str, ...]
    """Of the monitor beside the accelerator, in the hours in which an instance runs."""

    @classmethod
    def of(cls, deployment: Deployment, plan: ServingPlan) -> Watching:
        """Return how ``deployment`` is watched when ``plan`` serves it."""
        is_least = deployment.service_level.availability is Availability.BEST_EFFORT
        store, has_endpoint = chosen(deployment), plan.instance_type is not None
        answers: tuple[str, ...] = _ANSWERS_LEAST
        if not is_least or store is Store.SERVERLESS:
            answers += ("RetrievalLatency",)
        if store is Store.SERVERLESS:  # what each answer added
            answers += ("StoreAwakeSeconds",)
        if not is_least or has_endpoint:
            answers += ("EndpointAnswers",)
        first = SmallFirst.of(deployment, Facts())
        if first.fit is not None:
            answers += ("QuotedAnswers",)
        if first.model is not None:
            answers += ("SmallAnswers", "SmallInputTokens", "SmallOutputTokens")
        if plan.sleep is not None:  # what each answer added
            answers += ("EndpointAwakeSeconds",)
        if not is_least or plan.wake is not None or plan.sleep is not None:  # demand moves copies
            answers += ("GenerationLatency",)
        has_targets = bool(deployment.footprint.targets.stated)
        if not is_least or has_targets:
            answers += _QUALITY
        accelerator = _ACCELERATOR_LEAST if has_endpoint else ()
        if is_least:
            return cls(True, answers, _INGEST_LEAST, (), (), (), accelerator)
        course = [name for name in _COURSE if has_endpoint or name != "OffTargetEndpoint"]
        return cls(
            False,
            answers + _ANSWERS_MORE,
            _INGEST_LEAST + _INGEST_MORE,
            _RECORD,
            ("StoreUtilization", *(("EndpointUtilization",) if has_endpoint else ())),
            tuple(course) if has_targets else (),
            accelerator + _ACCELERATOR_MORE if has_endpoint else (),
        )

    @property
    def functions(self) -> dict[str, tuple[str, ...]]:
        """The metrics of each function, by its value of the dimension ``service``."""
        return {
            "answer": self.answers,
            "ingest": self.ingest,
            "operations": self.record + self.record_awake + self.course,
        }
