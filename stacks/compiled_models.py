"""What an endpoint starts from: serving image, compiled models, and the role that compiles them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.common.account import account_of
from stacks.common.acknowledgements import acknowledge
from stacks.common.model_buckets import tier_and_tidy
from stacks.endpoints.compile_role import compile_role
from stacks.endpoints.serving_image import ServingImage, build_in_the_account
from sustainability.deployment.schema import Deployment
from sustainability.plan.compiled_models import (
    COMPILE_ROLE,
    JOB_OUTPUT,
    SERVING_IMAGE,
    artifacts_bucket,
)


class ModelsStack(cdk.Stack):
    """The bucket of compiled models, the image that compiles and serves, and the job's role.

    It is deployed first; then the model is compiled; then comes the endpoint. The bucket is kept
    when the stack is deleted.
    """

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, env: cdk.Environment
    ) -> None:
        super().__init__(
            scope, id_, env=env, description=f"Models compiled for Inferentia2 ({deployment.name})"
        )
        bucket = artifacts_bucket(deployment, account_of(self))
        self.artifacts = s3.Bucket(
            self,
            "Artifacts",
            # Known by name: what compiles and what serves must not need each other's stack.
            bucket_name=bucket,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                # SageMaker wants a place for a job's output; what is compiled is not there.
                s3.LifecycleRule(
                    id="job-output", prefix=JOB_OUTPUT, expiration=cdk.Duration.days(1)
                ),
                tier_and_tidy(),
            ],
        )
        acknowledge(
            self.artifacts,
            "AwsSolutions-S1",
            "Only endpoints read it, when they start; it holds no documents and no questions.",
        )
        image = ServingImage.of(self, deployment)
        if deployment.inference.image == "codebuild":
            build_in_the_account(self, deployment, image)
        role = compile_role(self, bucket, image)
        cdk.CfnOutput(self, "ArtifactsBucket", value=self.artifacts.bucket_name)
        cdk.CfnOutput(self, COMPILE_ROLE, value=role.role_arn)
        cdk.CfnOutput(self, SERVING_IMAGE, value=image.uri)
