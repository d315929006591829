"""Where alarms are told: an encrypted topic that CloudWatch, and nobody else, may publish to."""

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
    """A topic with a key of its own, and the deployment's email as subscriber."""

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        # CloudWatch may not use the key that AWS manages for SNS: its policy cannot be changed.
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
                "An alarm that no mail server takes still stands in CloudWatch; a queue of lost "
                "mail would be one more place that nobody looks at.",
            )
