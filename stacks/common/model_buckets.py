"""What every bucket of model artifacts does with what it keeps."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3


def tier_and_tidy() -> s3.LifecycleRule:
    """Return the rule: artifacts move to the tier that fits their use, no half upload stays."""
    return s3.LifecycleRule(
        id="tier-and-tidy",
        abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
        transitions=[
            s3.Transition(
                storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                transition_after=cdk.Duration.days(30),
            )
        ],
    )
