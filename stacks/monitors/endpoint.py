"""Alarms and graphs of the endpoint: its part of the service level, and its utilization."""

from __future__ import annotations

import math

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.endpoints.demand import DEMAND, demand_metrics
from stacks.endpoints.neuron_endpoint import VARIANT, CopiesEndpoint, InstancesEndpoint
from stacks.instruments.alarms import Alarms
from stacks.instruments.graphs import BLUE, GREY, ORANGE, PURPLE, RED, TEAL, Line, graph
from stacks.instruments.metrics import (
    ACCELERATOR,
    FIVE_MINUTES,
    HOUR,
    known,
    maths,
    metric,
    scaled,
)
from sustainability.deployment.schema import Deployment
from sustainability.facts.lookup import Facts
from sustainability.plan.serving_plan import Mode, ServingPlan

_SAGEMAKER = "AWS/SageMaker"
_AN_HOUR = int(HOUR.to_minutes() / FIVE_MINUTES.to_minutes())


def cold_start_periods(period_s: float) -> int:
    """Return how many periods the slowest start of an instance needs."""
    return math.ceil(Facts()("serving/cold_start", "s").high / period_s)


INSTANCES_AWAKE = f"awake / {FIVE_MINUTES.to_minutes():g}"
"""Metric math: the number of running instances, from ``awake`` over five minutes."""


def awake(endpoint: CopiesEndpoint | InstancesEndpoint) -> cloudwatch.Metric:
    """Return the metric to which each running instance adds one sample per minute."""
    variant = {"EndpointName": endpoint.name, "VariantName": VARIANT}
    return metric("/aws/sagemaker/Endpoints", "CPUUtilization", variant, "SampleCount")


class EndpointMonitor:
    """Alarms and graphs of an endpoint, with inference components or with plain instances."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        plan: ServingPlan,
        endpoint: CopiesEndpoint | InstancesEndpoint,
    ) -> None:
        self._deployment, self._plan, self._endpoint = deployment, plan, endpoint
        self._component = endpoint.component_name
        self._variant = {"EndpointName": endpoint.name, "VariantName": VARIANT}
        self._served = (
            {"InferenceComponentName": self._component} if self._component else self._variant
        )
        self._late: Line | None = None

    def watch(self, sla: Alarms, waste: Alarms) -> None:
        """Add the alarms."""
        # The alarm that rolls a bad update back is the one on answers that fail.
        sla.include(self._endpoint.errors)
        budget = 1 - self._deployment.service_level.attainment
        sla.add(
            "EndpointRefusals",
            metric(_SAGEMAKER, "Invocation4XXErrors", self._served, "Average"),
            ">",
            budget,
            says="The endpoint rejects more requests (4xx) than may fail: wrong requests, or "
            "prompts longer than the compiled sequence length.",
        )
        if self._plan.alarms.endpoint_latency_p95_s is not None:
            limit_s = self._plan.alarms.endpoint_latency_p95_s
            self._late = sla.add(
                "EndpointLatency",
                metric(_SAGEMAKER, "ModelLatency", self._served, "p95"),
                ">",
                known(_SAGEMAKER, "ModelLatency").of_seconds(limit_s),
                says=f"More than 5 of 100 answers of the endpoint need more than {limit_s:g} s.",
            )
        if self._component:
            self._watch_capacity(sla)
        self._watch_waste(waste)

    def _watch_capacity(self, sla: Alarms) -> None:
        refused = {"InferenceComponentName": self._component or ""}
        wake = self._plan.wake
        if wake is not None:
            period = cdk.Duration.seconds(wake.period_s)
            sla.add(
                "NoCapacityLasts",
                metric(_SAGEMAKER, "NoCapacityInvocationFailures", refused, "Sum", period=period),
                ">=",
                wake.questions_per_period,
                periods=wake.datapoints + cold_start_periods(wake.period_s),
                vital=True,
                says="Requests find no running copy for longer than a start needs: AWS has no "
                "capacity, or the start fails. Bedrock answers in the meantime.",
            )
            return
        sla.add(
            "NoCapacityLasts",
            maths(
                "100 * refused / (FILL(calls, 0) + refused)",
                label="requests without a copy, %",
                refused=metric(_SAGEMAKER, "NoCapacityInvocationFailures", refused, "Sum"),
                calls=metric(_SAGEMAKER, "Invocations", self._served, "Sum"),
            ),
            ">",
            100 * (1 - self._deployment.service_level.attainment),
            vital=True,
            says="More requests find no running copy than may fail, and Bedrock does not answer "
            "them.",
        )

    def _watch_waste(self, waste: Alarms) -> None:
        alarms = self._plan.alarms
        # Utilization is the accelerator's: no metric of SageMaker knows NeuronCores.
        if alarms.utilization_floor is not None and self._plan.max_copies > self._plan.min_copies:
            waste.add(
                "UtilizationLow",
                maths(
                    f"IF({INSTANCES_AWAKE} > {self._plan.min_instances} AND used >= 0, used)",
                    label="NeuronCores busy while more than the minimum runs, %",
                    awake=awake(self._endpoint),
                    used=metric(
                        ACCELERATOR,
                        "NeuronCoreUtilization",
                        {"Deployment": self._deployment.name, "Endpoint": self._endpoint.name},
                        "Average",
                    ),
                ),
                "<",
                100 * alarms.utilization_floor,
                periods=_AN_HOUR,
                practice="MLSUS06-BP01",
                vital=True,
                says="More instances than the minimum run, and they have little work. Correct "
                "traffic in the deployment file so that the plan lowers the copies, or check why "
                "they do not scale in.",
            )
        if alarms.demand_floor is not None and self._component:
            floor = alarms.demand_floor
            period = cdk.Duration.seconds(floor.period_s)
            threshold = round(floor.questions_per_period, 3)
            waste.add(
                "BelowBreakEven",
                cloudwatch.MathExpression(
                    expression=f"IF(awake > 0, {DEMAND})",
                    using_metrics={
                        "awake": awake(self._endpoint),
                        **demand_metrics(self._deployment, self._component, period),
                    },
                    period=period,
                    label="questions and calls while the endpoint runs",
                ),
                "<",
                threshold,
                # The policy that lets copies sleep gets as long again to do so.
                periods=2 * floor.datapoints,
                practice="GENSUS01-BP01",
                vital=True,
                says="The endpoint runs for fewer questions than its break-even: Bedrock would use "
                "less. Check why the policy that scales to zero did not act, or correct traffic to "
                "shorten the schedule.",
            )

    def graphs(self) -> list[cloudwatch.GraphWidget]:
        """Return the graphs for the engineer dashboard."""
        of_a_second = known(_SAGEMAKER, "ModelLatency").of_seconds(1)
        return [
            graph(
                "Instances awake",
                maths(
                    f"FILL({INSTANCES_AWAKE}, 0)",
                    label="awake",
                    color=BLUE,
                    awake=awake(self._endpoint),
                ),
                unit="instances",
                limit=Line(self._plan.max_instances, "maximum"),
            ),
            *([] if self._plan.mode is Mode.ASYNC else [self._calls()]),
            graph(
                "Endpoint latency",
                *(
                    scaled(
                        metric(_SAGEMAKER, "ModelLatency", self._served, statistic),
                        of_a_second,
                        label=label,
                        color=color,
                    )
                    for statistic, label, color in (
                        ("p95", "95th percentile", ORANGE),
                        ("p50", "median", BLUE),
                    )
                ),
                unit="s",
                limit=None if self._late is None else self._late.per(of_a_second),
            ),
            graph(
                "Endpoint failures",
                metric(
                    _SAGEMAKER,
                    "Invocation4XXErrors",
                    self._served,
                    "Sum",
                    label="refused (4xx)",
                    color=ORANGE,
                ),
                metric(
                    _SAGEMAKER,
                    "Invocation5XXErrors",
                    self._served,
                    "Sum",
                    label="failed (5xx)",
                    color=RED,
                ),
                *(
                    [
                        metric(
                            _SAGEMAKER,
                            "NoCapacityInvocationFailures",
                            self._served,
                            "Sum",
                            label="no copy",
                            color=GREY,
                        )
                    ]
                    if self._component
                    else []
                ),
                unit="calls",
                stacked=True,
            ),
            graph(
                "Endpoint hosts",
                *(
                    metric(
                        "/aws/sagemaker/Endpoints",
                        f"{name}Utilization",
                        self._variant,
                        "Average",
                        label=label,
                        color=color,
                    )
                    for name, label, color in (
                        ("CPU", "processors, added up", BLUE),
                        ("Memory", "memory", ORANGE),
                        ("Disk", "disk", PURPLE),
                    )
                ),
                unit="%",
            ),
        ]

    def _calls(self) -> cloudwatch.GraphWidget:
        return graph(
            "Endpoint calls",
            metric(_SAGEMAKER, "Invocations", self._served, "Sum", label="calls", color=TEAL),
            unit="calls",
        )
