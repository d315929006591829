"""The role of the training job that compiles a model."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.common.log_groups import log_group_arn
from stacks.common.patterns import acknowledge_pattern
from stacks.endpoints.serving_image import ServingImage
from sustainability.plan.compiled_models import ARTIFACTS, JOB_OUTPUT

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Where SageMaker writes the logs of every training job."""


def compile_role(scope: Construct, bucket_name: str, image: ServingImage) -> iam.Role:
    """Return a role that may pull the image, write compiled models and logs, and nothing else."""
    role = iam.Role(
        scope, "CompileRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
    )
    image.grant_pull(role)
    log_group = log_group_arn(scope, _LOG_GROUP)
    logs = f"{log_group}:*"
    bucket = f"arn:{cdk.Aws.PARTITION}:s3:::{bucket_name}"
    models, output = f"{bucket}/{ARTIFACTS}*", f"{bucket}/{JOB_OUTPUT}*"
    for statement in (
        # A job starts from what an interrupted one has left in its place: it reads as well.
        iam.PolicyStatement(actions=["s3:GetObject", "s3:PutObject"], resources=[models]),
        iam.PolicyStatement(actions=["s3:PutObject"], resources=[output]),
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket],
            conditions={"StringLike": {"s3:prefix": f"{ARTIFACTS}*"}},
        ),
        iam.PolicyStatement(
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogStreams",
                "logs:PutLogEvents",
            ],
            # IAM knows the group for some of the actions, and its streams for others.
            resources=[log_group, logs],
        ),
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
    ):
        role.add_to_policy(statement)
    for arn, reason in (
        (models, "The compiler names its files."),
        (output, "SageMaker names the folder by the job."),
        (logs, "SageMaker names the streams by the job, in one group for all jobs."),
    ):
        acknowledge_pattern(role, arn, reason)
    return role
