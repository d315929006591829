"""Amazon ECR, EFS and AWS Backup: data that only grows unless told otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource


@rule(
    "ImagesExpire",
    "AWS::ECR::Repository",
    severity=Severity.WARNING,
    practices=("SUS04-BP03", "MLSUS04-BP03"),
    what="A container repository deletes images that are no longer used.",
    why="Every build adds an image of up to several gigabytes; without a policy none ever goes.",
    fix="Set LifecyclePolicy to expire untagged images and all but the latest few.",
    evidence="Amazon ECR User Guide, automating the cleanup of images; Sustainability Pillar",
    note="What the policy says is the author's choice.",
    cases=Cases(
        compliant="""
            R:
              Type: AWS::ECR::Repository
              Properties: {LifecyclePolicy: {LifecyclePolicyText: '{}'}}
            """,
        non_compliant="R: {Type: AWS::ECR::Repository}",
        not_applicable="R: {Type: AWS::ECR::PublicRepository}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                Parameters: {Policy: {Type: String}}
                Resources:
                  R:
                    Type: AWS::ECR::Repository
                    Properties: {LifecyclePolicy: {LifecyclePolicyText: !Ref Policy}}
                """,
            ),
        ),
    ),
)
def _images_expire(repository: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not repository.has("LifecyclePolicy.LifecyclePolicyText"):
        yield repository.fault("LifecyclePolicy", "a policy that expires images")


@rule(
    "BackupsExpire",
    "AWS::Backup::BackupPlan",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS04-BP03"),
    what="A backup plan deletes old recovery points.",
    why="A rule without DeleteAfterDays keeps each backup for ever.",
    fix="Set Lifecycle.DeleteAfterDays on each rule of the plan.",
    evidence="AWS Backup Developer Guide, backup plan options; Sustainability Pillar",
    note="Moving backups to cold storage does not delete them.",
    cases=Cases(
        compliant="""
            P:
              Type: AWS::Backup::BackupPlan
              Properties:
                BackupPlan: {BackupPlanRule: [{RuleName: daily, Lifecycle: {DeleteAfterDays: 35}}]}
            """,
        non_compliant="""
            P:
              Type: AWS::Backup::BackupPlan
              Properties: {BackupPlan: {BackupPlanRule: [{RuleName: daily}]}}
            """,
        not_applicable="P: {Type: AWS::Backup::BackupVault}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                P:
                  Type: AWS::Backup::BackupPlan
                  Properties:
                    BackupPlan:
                      BackupPlanRule:
                        - {RuleName: daily, Lifecycle: {DeleteAfterDays: 35}}
                        - {RuleName: monthly, Lifecycle: {MoveToColdStorageAfterDays: 30}}
                """,
            ),
        ),
    ),
)
def _backups_expire(plan: Resource, _: RuleSettings) -> Iterator[Fault]:
    for entry in plan.each("BackupPlan.BackupPlanRule"):
        if not entry.has("Lifecycle.DeleteAfterDays"):
            yield entry.fault("Lifecycle.DeleteAfterDays", "a number of days")


@rule(
    "FileSystemTiers",
    "AWS::EFS::FileSystem",
    severity=Severity.WARNING,
    practices=("SUS04-BP02", "SUS04-BP03", "MLSUS03-BP03"),
    what="A file system moves files that are not read to a colder class.",
    why="Most files are read soon after they are written, or never; standard storage keeps all "
    "ready.",
    fix="Set LifecyclePolicies with TransitionToIA.",
    evidence="Amazon EFS User Guide, managing storage lifecycle",
    note="A policy that only moves files back does not count.",
    cases=Cases(
        compliant="""
            F:
              Type: AWS::EFS::FileSystem
              Properties: {LifecyclePolicies: [{TransitionToIA: AFTER_30_DAYS}]}
            """,
        non_compliant="F: {Type: AWS::EFS::FileSystem, Properties: {Encrypted: true}}",
        not_applicable="F: {Type: AWS::EFS::AccessPoint}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                F:
                  Type: AWS::EFS::FileSystem
                  Properties:
                    LifecyclePolicies: [{TransitionToPrimaryStorageClass: AFTER_1_ACCESS}]
                """,
            ),
        ),
    ),
)
def _file_system_tiers(system: Resource, _: RuleSettings) -> Iterator[Fault]:
    keys = ("TransitionToIA", "TransitionToArchive")
    if not any(policy.has(key) for policy in system.each("LifecyclePolicies") for key in keys):
        yield system.fault("LifecyclePolicies", "TransitionToIA after some days")
