"""Permissions for all resources below a name: where they are right, and why."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from stacks.common.acknowledgements import acknowledge


def acknowledge_pattern(role: iam.IRole, arn: str, reason: str) -> None:
    """Accept that a role may use every resource whose ARN begins like ``arn``, which ends in ``*``.

    The ARN may refer to the account and to the partition, and to nothing else.
    """
    shown = arn.replace(cdk.Aws.ACCOUNT_ID, "<AWS::AccountId>")
    shown = shown.replace(cdk.Aws.PARTITION, "<AWS::Partition>")
    acknowledge(role, f"AwsSolutions-IAM5[Resource::{shown}]", reason)
