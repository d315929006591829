"""The KMS key of the deployment's owner, where there is one."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.common.acknowledgements import acknowledge
from sustainability.deployment.schema import Deployment


class OwnKey:
    """The key ``company.key``, or AWS's own keys where the deployment names none.

    The key stays in its owner's hands: no stack makes it, changes its policy or deletes it.
    """

    def __init__(self, scope: Construct, deployment: Deployment) -> None:
        self.arn = deployment.company.key
        self.key = kms.Key.from_key_arn(scope, "OwnKey", self.arn) if self.arn else None

    @property
    def of_bucket(self) -> s3.BucketEncryption:
        """The encryption of a bucket."""
        return s3.BucketEncryption.KMS if self.key else s3.BucketEncryption.S3_MANAGED

    @property
    def of_queue(self) -> sqs.QueueEncryption:
        """The encryption of a queue."""
        return sqs.QueueEncryption.KMS if self.key else sqs.QueueEncryption.SQS_MANAGED

    @property
    def of_table(self) -> dynamodb.TableEncryption | None:
        """The encryption of a table."""
        return dynamodb.TableEncryption.CUSTOMER_MANAGED if self.key else None

    def grant(self, role: iam.IRole | None) -> None:
        """Let a role read and write what the key encrypts."""
        if self.arn is not None:
            assert role is not None
            role.add_to_principal_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self.arn]
                )
            )
            for action in ("GenerateDataKey*", "ReEncrypt*"):
                acknowledge(
                    role,
                    f"AwsSolutions-IAM5[Action::kms:{action}]",
                    "Both forms of the action on this one key: what the CDK grants who sends to an "
                    "encrypted queue.",
                )
