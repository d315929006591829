"""Alarms and graphs of the queue of an asynchronous endpoint: waiting time, and scale to zero."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.endpoints.neuron_endpoint import CopiesEndpoint, InstancesEndpoint
from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREEN, ORANGE, RED, Line, graph
from stacks.instruments.metrics import FIVE_MINUTES, HOUR, known, maths, metric
from stacks.monitors.endpoint import awake

_SAGEMAKER = "AWS/SageMaker"


class QueueMonitor:
    """Alarms and graphs of the questions that wait for an endpoint."""

    def __init__(
        self, *, endpoint: CopiesEndpoint | InstancesEndpoint, longest_wait_s: float
    ) -> None:
        self._endpoint, self._longest_wait_s = endpoint, longest_wait_s
        self._late: Line | None = None

    def watch(self, sla: Alarms, waste: Alarms) -> None:
        """Add the alarms."""
        age = known(_SAGEMAKER, "ApproximateAgeOfOldestRequest")
        self._late = sla.add(
            "BacklogAge",
            self._own(age.name, "Maximum"),
            ">",
            age.of_seconds(self._longest_wait_s),
            periods=1,
            vital=True,
            says="The oldest question in the queue will miss service_level.deadline.",
        )
        waste.add(
            "AwakeWithoutWork",
            maths(
                "IF(awake > 0, FILL(processed, 0))",
                label="answered while running",
                awake=awake(self._endpoint),
                processed=self._own("InvocationsProcessed", "Sum"),
            ),
            "<",
            1,
            periods=int(HOUR.to_minutes() / FIVE_MINUTES.to_minutes()),
            practice="MLSUS05-BP01",
            vital=True,
            says="The endpoint has run for an hour without a question. Check why its scaling "
            "policy does not scale it to zero.",
        )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        return [
            graph(
                "Queue: oldest question",
                self._own("ApproximateAgeOfOldestRequest", "Maximum", label="age", color=BLUE),
                unit="s",
                limit=self._late,
            ),
            graph(
                "Queue: questions",
                self._own("ApproximateBacklogSize", "Maximum", label="waiting", color=ORANGE),
                self._own("InvocationsProcessed", "Sum", label="answered", color=GREEN),
                self._own("InvocationsFailed", "Sum", label="failed", color=RED),
                unit="questions",
            ),
        ]

    def _own(
        self, name: str, statistic: str, *, label: str | None = None, color: str | None = None
    ) -> cloudwatch.Metric:
        dimensions = {"EndpointName": self._endpoint.name}
        return metric(_SAGEMAKER, name, dimensions, statistic, label=label, color=color)
