"""What every SageMaker job of ours needs, whatever it works on."""

from __future__ import annotations

from aws_cdk import aws_iam as iam

from stacks.common.log_groups import log_group_arn
from stacks.common.patterns import acknowledge_pattern


def grant_logs_and_metrics(role: iam.Role, log_group: str) -> None:
    """Let a job's role write to SageMaker's log group for its kind of job, and publish metrics."""
    group = log_group_arn(role, log_group)
    streams = f"{group}:*"
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            # IAM knows the group for some of the actions, and its streams for others.
            resources=[group, streams],
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        )
    )
    acknowledge_pattern(
        role, streams, "SageMaker names the streams by the job, in one group for all jobs."
    )
