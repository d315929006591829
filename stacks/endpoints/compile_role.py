"""The role of the training job that compiles a model."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.common.patterns import acknowledge_pattern
from stacks.common.sagemaker_jobs import grant_logs_and_metrics
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
    ):
        role.add_to_policy(statement)
    for arn, reason in (
        (models, "The compiler names its files."),
        (output, "SageMaker names the folder by the job."),
    ):
        acknowledge_pattern(role, arn, reason)
    grant_logs_and_metrics(role, _LOG_GROUP)
    return role
