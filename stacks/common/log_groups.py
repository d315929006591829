"""The ARNs of log groups that a stack does not make itself."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct


def log_group_arn(scope: Construct, name: str) -> str:
    """Return the ARN of a log group in the stack's account and Region; its streams follow ``:``."""
    return cdk.Stack.of(scope).format_arn(
        service="logs",
        resource="log-group",
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
