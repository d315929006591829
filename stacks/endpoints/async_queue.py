"""The queue of an asynchronous endpoint: questions and answers in S3, results on SNS."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.endpoints.mailbox import ANSWERS, FAILURES, QUESTIONS, Mailbox


class AsyncQueue(Construct):
    """What makes an endpoint asynchronous."""

    KIND = "queue"

    def __init__(self, scope: Construct, id_: str, *, mailbox: Mailbox, slots: int) -> None:
        super().__init__(scope, id_)
        self._mailbox = mailbox
        self.succeeded = sns.Topic(self, "Succeeded", enforce_ssl=True)
        self.failed = sns.Topic(self, "Failed", enforce_ssl=True)
        self.config = sagemaker.CfnEndpointConfig.AsyncInferenceConfigProperty(
            client_config=sagemaker.CfnEndpointConfig.AsyncInferenceClientConfigProperty(
                max_concurrent_invocations_per_instance=slots
            ),
            output_config=sagemaker.CfnEndpointConfig.AsyncInferenceOutputConfigProperty(
                s3_output_path=self._mailbox.s3_url_for_object(ANSWERS),
                s3_failure_path=self._mailbox.s3_url_for_object(FAILURES),
                notification_config=(
                    sagemaker.CfnEndpointConfig.AsyncInferenceNotificationConfigProperty(
                        success_topic=self.succeeded.topic_arn,
                        error_topic=self.failed.topic_arn,
                    )
                ),
            ),
        )

    def grant_serve(self, role: iam.Role) -> None:
        """Allow the endpoint to read questions, write answers, and publish results."""
        self._mailbox.allow(role, "s3:GetObject", QUESTIONS)
        self._mailbox.allow(role, "s3:PutObject", ANSWERS, FAILURES)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[self.succeeded.topic_arn, self.failed.topic_arn],
            )
        )
