"""The SNS topic for alarm messages: only CloudWatch may publish to it."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Deployment


class AlarmTopic(sns.Topic):
    """An SNS topic; ``monitoring.email`` is subscribed if it is set.

    The topic is not encrypted with a KMS key. CloudWatch cannot publish to a topic that AWS's
    managed key encrypts, because nobody can change the policy of that key. A customer managed key
    would cost more than all alarms of a small deployment. A message holds the name, the state and
    the threshold of an alarm, and no question, answer or document.
    """

    def __init__(self, scope: Construct, id_: str, *, deployment: Deployment) -> None:
        super().__init__(scope, id_, enforce_ssl=True)
        self.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.stack.account}},
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
