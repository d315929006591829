"""A bucket for questions to a model that answers later, and for its answers."""

from __future__ import annotations

import math
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from stacks.common.patterns import acknowledge_pattern
from sustainability.deployment.schema import Deployment

QUESTIONS, ANSWERS, FAILURES = "questions/", "answers/", "failures/"
HANDED = "handed/"
"""A window's notes: which question the endpoint has, and where its answer will be."""
_KEPT_DAYS = 7
"""Time after the deadline to fetch an answer, which is then stored elsewhere."""


class Mailbox(s3.Bucket):
    """A bucket of questions that wait, and of answers that are not fetched yet."""

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        # A fixed name, so that the stack that asks does not depend on this stack.
        self.name = f"{deployment.name}-mailbox-{cdk.Aws.ACCOUNT_ID}-{deployment.region}"
        deadline = deployment.service_level.deadline or timedelta()
        super().__init__(
            scope,
            id_,
            bucket_name=self.name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget",
                    expiration=cdk.Duration.days(
                        _KEPT_DAYS + math.ceil(deadline / timedelta(days=1))
                    ),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        acknowledge(
            self,
            "AwsSolutions-S1",
            "Only the answer function and the model use it, and its objects expire within days.",
        )

    def allow(self, role: iam.IRole | None, action: str, *prefixes: str) -> None:
        """Allow a role one action on all objects below the prefixes."""
        assert role is not None
        resources = [f"arn:aws:s3:::{self.name}/{prefix}*" for prefix in prefixes]
        role.add_to_principal_policy(iam.PolicyStatement(actions=[action], resources=resources))
        for resource in resources:
            acknowledge_pattern(role, resource, "The caller names the question and its answer.")

    def grant_ask(self, function: lambda_.Function) -> None:
        """Allow a function to put questions and to fetch their answers."""
        self.allow(function.role, "s3:PutObject", QUESTIONS)
        self.allow(function.role, "s3:GetObject", ANSWERS, FAILURES)
        # With this permission S3 answers 404, not 403, for an answer that is not there yet.
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[f"arn:aws:s3:::{self.name}"],
                conditions={"StringLike": {"s3:prefix": [f"{ANSWERS}*", f"{FAILURES}*"]}},
            )
        )
