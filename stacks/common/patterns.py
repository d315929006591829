"""Acknowledged permissions for all resources with a common prefix, with reasons."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from stacks.common.acknowledgements import acknowledge


def acknowledge_pattern(role: iam.IRole, arn: str, reason: str) -> None:
    """Acknowledge that a role may use every resource that matches ``arn``, which ends in ``*``.

    The ARN can contain references to the account and the partition, but no others.
    """
    shown = arn.replace(cdk.Aws.ACCOUNT_ID, "<AWS::AccountId>")
    shown = shown.replace(cdk.Aws.PARTITION, "<AWS::Partition>")
    acknowledge(role, f"AwsSolutions-IAM5[Resource::{shown}]", reason)
