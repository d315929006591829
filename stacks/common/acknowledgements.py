"""Acknowledged findings: each on the construct that it is about, with a reason."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct | None, rule: str, reason: str) -> None:
    """Acknowledge the finding of one rule on one construct.

    Parameters
    ----------
    construct
        The construct that the finding is about; never a stack or the app.
    rule
        The rule's id, such as ``AwsSolutions-S1``.
    reason
        Why the finding is acceptable here, for the next reviewer.
    """
    assert construct is not None
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
