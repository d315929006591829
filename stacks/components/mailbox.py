"""A bucket through which questions go to a model that answers later, and answers come back."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.components.acknowledgements import acknowledge
from stacks.components.patterns import acknowledge_pattern
from sustainability.deployment import Deployment

QUESTIONS, ANSWERS, FAILURES = "questions/", "answers/", "failures/"
_KEPT = cdk.Duration.days(7)
"""Long enough for a deadline and a failed window; what is fetched is kept elsewhere."""


class Mailbox(s3.Bucket):
    """A bucket of questions that wait and of answers that nobody has fetched yet."""

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        # Known by name, so that the stack that asks does not need this one's.
        self._name = f"{deployment.name}-mailbox-{cdk.Aws.ACCOUNT_ID}-{deployment.region}"
        super().__init__(
            scope,
            id_,
            bucket_name=self._name,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            auto_delete_objects=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget",
                    expiration=_KEPT,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        acknowledge(
            self,
            "AwsSolutions-S1",
            "Only the answer function and the model use it, and all in it is gone within days.",
        )

    def allow(self, role: iam.IRole | None, action: str, *prefixes: str) -> None:
        """Let a role do one thing with all objects below the prefixes."""
        assert role is not None
        resources = [f"arn:aws:s3:::{self._name}/{prefix}*" for prefix in prefixes]
        role.add_to_principal_policy(iam.PolicyStatement(actions=[action], resources=resources))
        for resource in resources:
            acknowledge_pattern(role, resource, "Whoever asks names the question and its answer.")

    def grant_ask(self, function: lambda_.Function) -> None:
        """Let a function put questions and fetch what became of them; tell it the bucket."""
        function.add_environment("MAILBOX_BUCKET", self._name)
        self.allow(function.role, "s3:PutObject", QUESTIONS)
        self.allow(function.role, "s3:GetObject", ANSWERS, FAILURES)
