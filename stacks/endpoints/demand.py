"""How much is asked of an endpoint that sleeps: by the answer function, or by others."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.functions.python_function import METRICS_NAMESPACE
from sustainability.deployment.schema import Deployment

QUESTIONS = "GenerationLatency"
"""The metric whose samples are the questions that reach a generator: not those that the answer
cache knows, nor those that the documents say nothing about."""

DEMAND = "MAX([FILL(questions, 0), FILL(calls, 0) + FILL(refused, 0)])"
"""Metric math: our own questions, or all calls of the copies, whichever are more.

Who calls the endpoint beside the answer function shows only in the calls, and before the first copy
serves only in those that are refused. While Bedrock answers, only our own questions show.
"""


def demand_metrics(
    deployment: Deployment, component: str, period: cdk.Duration
) -> dict[str, cloudwatch.IMetric]:
    """Return the metrics of :data:`DEMAND`, by the names that it has for them."""

    def of_component(name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"InferenceComponentName": component},
            statistic="Sum",
            period=period,
        )

    return {
        "questions": own_questions(deployment, period),
        "calls": of_component("Invocations"),
        "refused": of_component("NoCapacityInvocationFailures"),
    }


def own_questions(deployment: Deployment, period: cdk.Duration) -> cloudwatch.Metric:
    """Return the questions that the answer function has had a generator answer."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=QUESTIONS,
        dimensions_map={"Deployment": deployment.name, "service": "answer"},
        statistic="SampleCount",
        period=period,
    )
