"""Amazon CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource


@rule(
    "LogGroupExpires",
    "AWS::Logs::LogGroup",
    "Custom::LogRetention",
    severity=Severity.ERROR,
    practices=("SUS04-BP03",),
    what="A log group has a retention.",
    why="Without RetentionInDays, CloudWatch Logs stores every line for ever.",
    fix="Set RetentionInDays to what debugging and audits need.",
    evidence="Amazon CloudWatch Logs User Guide, log data retention; Sustainability Pillar",
    note="Groups of the class DELIVERY keep logs for a fixed time.",
    cases=Cases(
        compliant="L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 14}}",
        non_compliant="L: {Type: AWS::Logs::LogGroup}",
        not_applicable="L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupClass: DELIVERY}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                Conditions: {Kept: !Equals [!Ref "AWS::Region", eu-west-1]}
                Resources:
                  L:
                    Type: AWS::Logs::LogGroup
                    Properties: {RetentionInDays: !If [Kept, !Ref "AWS::NoValue", 7]}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                Parameters: {Days: {Type: Number}}
                Resources:
                  L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
                """,
            ),
        ),
    ),
)
def _log_group_expires(group: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(group.fragment("LogGroupClass") != "DELIVERY")
    if not group.has("RetentionInDays"):
        yield group.fault("RetentionInDays", "a number of days")


@rule(
    "LogRetentionWithinLimit",
    "AWS::Logs::LogGroup",
    "Custom::LogRetention",
    severity=Severity.WARNING,
    practices=("SUS04-BP03", "SUS04-BP05"),
    what="Logs are not kept longer than the deployment's limit.",
    why="Old logs are hardly ever read; each day of retention is a day of everything stored.",
    fix="Lower RetentionInDays, export what must be archived to S3, or raise "
    "log_retention_days_max.",
    evidence="Machine Learning Lens: Archive or delete unnecessary training artifacts",
    note="LogGroupExpires judges a log group without retention.",
    cases=Cases(
        compliant="L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 30}}",
        non_compliant="L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 3653}}",
        not_applicable="L: {Type: AWS::Logs::LogGroup}",
        edges=(
            (
                Outcome.COMPLIANT,
                "L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: '90'}}",
            ),
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Days: {Type: Number}}
                Resources:
                  L: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
                """,
            ),
        ),
    ),
)
def _log_retention(group: Resource, settings: RuleSettings) -> Iterator[Fault]:
    days = group.number("RetentionInDays")
    applies_if(days is not None)
    if days is not None and days > settings.log_retention_days_max:
        yield group.fault("RetentionInDays", f"at most {settings.log_retention_days_max} days")
