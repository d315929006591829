"""The stack with the bucket for compiled models, which is kept when endpoints are deleted."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.common.account import account_of
from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Deployment
from sustainability.plan.compiled_models import artifacts_bucket


class ModelsStack(cdk.Stack):
    """The S3 bucket for compiled models. Upload a model before you deploy an endpoint with it."""

    def __init__(
        self, scope: Construct, id_: str, *, deployment: Deployment, env: cdk.Environment
    ) -> None:
        super().__init__(
            scope, id_, env=env, description=f"Models compiled for Inferentia2 ({deployment.name})"
        )
        self.artifacts = s3.Bucket(
            self,
            "Artifacts",
            # Known by name: what compiles and what serves must not need each other's stack.
            bucket_name=artifacts_bucket(deployment, account_of(self)),
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="tier-and-tidy",
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                            transition_after=cdk.Duration.days(30),
                        )
                    ],
                )
            ],
        )
        acknowledge(
            self.artifacts,
            "AwsSolutions-S1",
            "Only endpoints read it, when they start; it holds no documents and no questions.",
        )
        cdk.CfnOutput(self, "ArtifactsBucket", value=self.artifacts.bucket_name)
