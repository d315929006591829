"""The account that a template is for, where its number is known."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct


def account_of(scope: Construct) -> str:
    """Return the account id from the deployment's environment, else a token for any account."""
    return scope.node.try_get_context("account") or cdk.Aws.ACCOUNT_ID
