"""The SNS topic for alarm messages: encrypted, and only CloudWatch may publish to it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Deployment


class AlarmTopic(sns.Topic):
    """An SNS topic with its own KMS key; ``monitoring.email`` is subscribed if it is set."""

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        # CloudWatch cannot use the AWS managed key of SNS, because its policy cannot be changed.
        key = kms.Key(
            scope,
            "Key",
            description=f"Encrypts alarms ({deployment.name})",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        super().__init__(scope, id_, master_key=key, enforce_ssl=True)
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        of_this_account = {"StringEquals": {"aws:SourceAccount": self.stack.account}}
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[cloudwatch],
                resources=["*"],  # of a key's policy: the key
                conditions=of_this_account,
            )
        )
        self.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[cloudwatch],
                resources=[self.topic_arn],
                conditions=of_this_account,
            )
        )
        if deployment.monitoring.email is not None:
            subscription = self.add_subscription(
                subscriptions.EmailSubscription(deployment.monitoring.email)
            )
            acknowledge(
                subscription,
                "Serverless-SNSRedrivePolicy",
                "If an email cannot be delivered, the alarm is still visible in CloudWatch. No one "
                "would read a dead-letter queue for such emails.",
            )
