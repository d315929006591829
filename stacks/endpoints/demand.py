"""The demand on an endpoint that scales to zero: of the answer function and of others."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from stacks.functions.python_function import METRICS_NAMESPACE
from sustainability.deployment.schema import Deployment

QUESTIONS = "GenerationLatency"
"""The metric that has one sample for each question that reaches a generator. Questions that the
answer cache answers, or that the documents do not cover, are not counted."""

DEMAND = "MAX([FILL(questions, 0), FILL(calls, 0) + FILL(refused, 0)])"
"""Metric math: the larger of our own questions and all calls to the endpoint.

Other callers of the endpoint appear only in the calls; before the first copy serves, only in the
refused calls. While Bedrock answers, only our own questions appear.
"""


def demand_metrics(
    deployment: Deployment, component: str, period: cdk.Duration
) -> dict[str, cloudwatch.IMetric]:
    """Return the metrics of :data:`DEMAND`, by their names in that expression."""

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
    """Return the number of questions that the answer function sent to a generator."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=QUESTIONS,
        dimensions_map={"Deployment": deployment.name, "service": "answer"},
        statistic="SampleCount",
        period=period,
    )
