"""Amazon DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._scaling import scalable_targets
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_SHORT_LIVED = re.compile(r"session|conversation|chat|cache", re.IGNORECASE)


@rule(
    "TableScales",
    "AWS::DynamoDB::Table",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="A table's capacity follows demand.",
    why="Provisioned capacity without scaling is sized for the peak and idles the rest of the "
    "time.",
    fix="Set BillingMode to PAY_PER_REQUEST, or add scalable targets for read and write capacity.",
    evidence="Amazon DynamoDB Developer Guide, managing throughput capacity with auto scaling",
    note="Without BillingMode a table is provisioned.",
    cases=Cases(
        compliant="T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST}}",
        non_compliant="""
            T:
              Type: AWS::DynamoDB::Table
              Properties: {ProvisionedThroughput: {ReadCapacityUnits: 5, WriteCapacityUnits: 5}}
            """,
        not_applicable="T: {Type: AWS::DynamoDB::GlobalTable}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                T:
                  Type: AWS::DynamoDB::Table
                  Properties: {TableName: chat, BillingMode: PROVISIONED}
                R:
                  Type: AWS::ApplicationAutoScaling::ScalableTarget
                  Properties:
                    ResourceId: table/chat
                    ScalableDimension: dynamodb:table:ReadCapacityUnits
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Billing: {Type: String}}
                Resources:
                  T: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: !Ref Billing}}
                """,
            ),
        ),
    ),
)
def _table_scales(table: Resource, _: RuleSettings) -> Iterator[Fault]:
    if table.text("BillingMode", "PROVISIONED") != "PROVISIONED":
        return
    units = ("ReadCapacityUnits", "WriteCapacityUnits")
    fixed = [unit for unit in units if not scalable_targets(table, f"dynamodb:table:{unit}")]
    if fixed:
        found = f"is PROVISIONED with fixed {' and '.join(fixed)}"
        yield table.fault("BillingMode", "PAY_PER_REQUEST or scalable targets", found=found)


@rule(
    "TableItemsExpire",
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    severity=Severity.WARNING,
    practices=("SUS04-BP03", "AGENTSUS02-BP01"),
    what="A table of sessions, conversations or cached answers lets its items expire.",
    why="Such items are worthless after hours or days, and otherwise stay for ever.",
    fix="Enable TimeToLiveSpecification and write the expiry with each item.",
    evidence="Amazon DynamoDB Developer Guide, time to live; Agentic AI Lens",
    note="The rule tells by its name what a table holds.",
    cases=Cases(
        compliant="""
            T:
              Type: AWS::DynamoDB::Table
              Properties:
                TableName: chat-sessions
                TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
            """,
        non_compliant="""
            AnswerCache:
              Type: AWS::DynamoDB::Table
              Properties: {BillingMode: PAY_PER_REQUEST}
            """,
        not_applicable="Orders: {Type: AWS::DynamoDB::Table}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                Sessions:
                  Type: AWS::DynamoDB::GlobalTable
                  Properties: {TimeToLiveSpecification: {AttributeName: expires, Enabled: 'false'}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                Sessions:
                  Type: AWS::DynamoDB::Table
                  Properties: {TimeToLiveSpecification: {AttributeName: expires, Enabled: 'True'}}
                """,
            ),
        ),
    ),
)
def _table_items_expire(table: Resource, _: RuleSettings) -> Iterator[Fault]:
    name = f"{table.logical_id} {table.fragment('TableName')}"
    applies_if(bool(_SHORT_LIVED.search(name)))
    if not table.flag("TimeToLiveSpecification.Enabled"):
        yield table.fault("TimeToLiveSpecification.Enabled", "true")
