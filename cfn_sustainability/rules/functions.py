"""AWS Lambda: what a function holds beside its memory."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_STORAGE_MB_MAX = 2048


@rule(
    "LambdaStorageLean",
    "AWS::Lambda::Function",
    severity=Severity.WARNING,
    practices=("SUS05-BP01", "SUS04-BP04"),
    what="A function's temporary storage is no larger than what it holds.",
    why="What is set beyond 512 MB is reserved for each copy of the function, and charged while it "
    "runs.",
    fix="Set EphemeralStorage.Size to the largest file that the function unpacks, or stream it.",
    evidence="AWS Lambda Developer Guide, configuring ephemeral storage",
    note="Up to 2,048 MB pass.",
    cases=Cases(
        compliant="F: {Type: AWS::Lambda::Function, Properties: {EphemeralStorage: {Size: 2048}}}",
        non_compliant="""
            F: {Type: AWS::Lambda::Function, Properties: {EphemeralStorage: {Size: 10240}}}
            """,
        not_applicable="F: {Type: AWS::Lambda::LayerVersion}",
        edges=(
            (Outcome.COMPLIANT, "F: {Type: AWS::Lambda::Function}"),
            (
                Outcome.NON_COMPLIANT,
                "F: {Type: AWS::Lambda::Function, Properties: {EphemeralStorage: {Size: '2049'}}}",
            ),
        ),
    ),
)
def _storage_lean(function: Resource, _: RuleSettings) -> Iterator[Fault]:
    if function.number("EphemeralStorage.Size", 512) > _STORAGE_MB_MAX:
        yield function.fault("EphemeralStorage.Size", f"at most {_STORAGE_MB_MAX} MB")
