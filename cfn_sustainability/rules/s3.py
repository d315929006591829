"""Amazon S3: objects that stay unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_MOVING_VERSIONS = (
    "NoncurrentVersionExpiration",
    "NoncurrentVersionExpirationInDays",
    "NoncurrentVersionTransition",
    "NoncurrentVersionTransitions",
)
_MOVING = ("Transitions", "Transition", "ExpirationInDays", "ExpirationDate")


def _enabled(bucket: Resource) -> list[Properties]:
    rules = bucket.each("LifecycleConfiguration.Rules")
    return [entry for entry in rules if entry.text("Status") == "Enabled"]


def _is_published(bucket: Resource) -> bool:
    """Return whether the bucket holds what a website serves or a deployment writes."""
    return (
        bucket.has("WebsiteConfiguration")
        or any(bucket.referrers("Custom::CDKBucketDeployment", at="DestinationBucketName"))
        or not bucket.is_alone("AWS::CloudFront::Distribution", at="DistributionConfig.Origins")
    )


@rule(
    "BucketLifecycle",
    "AWS::S3::Bucket",
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01", "MLSUS03-BP02", "SUS04-BP03"),
    what="A bucket's objects move to a colder class or expire.",
    why="Data that nobody reads stays on hot storage for ever; aborting uploads alone changes "
    "nothing.",
    fix="Add a lifecycle rule with a transition, such as to INTELLIGENT_TIERING, or an expiration.",
    evidence="Amazon S3 User Guide, managing the lifecycle of objects; Generative AI Lens",
    note="What a website serves must stay as it is.",
    cases=Cases(
        compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties:
                LifecycleConfiguration:
                  Rules:
                    - Status: Enabled
                      Transitions: [{StorageClass: INTELLIGENT_TIERING, TransitionInDays: 0}]
            """,
        non_compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties:
                LifecycleConfiguration:
                  Rules:
                    - {Status: Enabled, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 7}}
            """,
        not_applicable="""
            B:
              Type: AWS::S3::Bucket
              Properties: {WebsiteConfiguration: {IndexDocument: index.html}}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                B:
                  Type: AWS::S3::Bucket
                  Properties:
                    LifecycleConfiguration: {Rules: [{Status: Disabled, ExpirationInDays: 7}]}
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Status: {Type: String}}
                Resources:
                  B:
                    Type: AWS::S3::Bucket
                    Properties:
                      LifecycleConfiguration: {Rules: [{Status: !Ref Status, ExpirationInDays: 7}]}
                """,
            ),
        ),
    ),
)
def _bucket_lifecycle(bucket: Resource, _: RuleSettings) -> Iterator[Fault]:
    if any(entry.has(key) for entry in _enabled(bucket) for key in _MOVING):
        return
    applies_if(not _is_published(bucket))
    yield bucket.fault(
        "LifecycleConfiguration.Rules", "an enabled rule with a transition or an expiration"
    )


@rule(
    "BucketAbortsUploads",
    "AWS::S3::Bucket",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="A bucket with a lifecycle deletes what broken multipart uploads left.",
    why="Parts of an upload that never completed are stored, and do not show in listings.",
    fix="Add AbortIncompleteMultipartUpload with a few days to a lifecycle rule.",
    evidence="Amazon S3 User Guide, deleting incomplete multipart uploads",
    note="BucketLifecycle judges a bucket without any lifecycle.",
    cases=Cases(
        compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties:
                LifecycleConfiguration:
                  Rules:
                    - Status: Enabled
                      ExpirationInDays: 365
                      AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}
            """,
        non_compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties:
                LifecycleConfiguration: {Rules: [{Status: Enabled, ExpirationInDays: 365}]}
            """,
        not_applicable="B: {Type: AWS::S3::Bucket}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                B:
                  Type: AWS::S3::Bucket
                  Properties:
                    LifecycleConfiguration:
                      Rules:
                        - Status: Disabled
                          AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}
                """,
            ),
        ),
    ),
)
def _bucket_aborts_uploads(bucket: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(bucket.has("LifecycleConfiguration"))
    if not any(entry.has("AbortIncompleteMultipartUpload") for entry in _enabled(bucket)):
        yield bucket.fault(
            "LifecycleConfiguration.Rules", "a rule with AbortIncompleteMultipartUpload"
        )


@rule(
    "BucketVersionsExpire",
    "AWS::S3::Bucket",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS04-BP03"),
    what="Old versions in a versioned bucket expire or move to a colder class.",
    why="Each overwrite and each deletion keeps the old object for ever.",
    fix="Add NoncurrentVersionExpiration, or at least a transition, to a lifecycle rule.",
    evidence="Amazon S3 User Guide, managing the lifecycle of objects; Sustainability Pillar",
    note="Buckets with an object lock are left out: it forbids deleting versions.",
    cases=Cases(
        compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties:
                VersioningConfiguration: {Status: Enabled}
                LifecycleConfiguration:
                  Rules: [{Status: Enabled, NoncurrentVersionExpiration: {NoncurrentDays: 30}}]
            """,
        non_compliant="""
            B:
              Type: AWS::S3::Bucket
              Properties: {VersioningConfiguration: {Status: Enabled}}
            """,
        not_applicable="""
            B:
              Type: AWS::S3::Bucket
              Properties: {ObjectLockEnabled: true, VersioningConfiguration: {Status: Enabled}}
            """,
        edges=(
            (
                Outcome.COMPLIANT,
                """
                B:
                  Type: AWS::S3::Bucket
                  Properties:
                    VersioningConfiguration: {Status: Enabled}
                    LifecycleConfiguration:
                      Rules: [{Status: Enabled, NoncurrentVersionExpirationInDays: 30}]
                """,
            ),
            (
                Outcome.NOT_APPLICABLE,
                """
                B:
                  Type: AWS::S3::Bucket
                  Properties: {VersioningConfiguration: {Status: Suspended}}
                """,
            ),
        ),
    ),
)
def _bucket_versions_expire(bucket: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(bucket.text("VersioningConfiguration.Status") == "Enabled")
    applies_if(not bucket.flag("ObjectLockEnabled"))
    if not any(entry.has(key) for entry in _enabled(bucket) for key in _MOVING_VERSIONS):
        yield bucket.fault(
            "LifecycleConfiguration.Rules", "a rule with NoncurrentVersionExpiration"
        )
