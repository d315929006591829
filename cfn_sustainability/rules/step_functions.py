"""AWS Step Functions as such; training jobs in its definitions are in ``sagemaker_training``."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource


@rule(
    "StateMachineLogsErrors",
    "AWS::StepFunctions::StateMachine",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    profiles=(Profile.PRODUCTION,),
    what="A state machine in production does not log the data of every step.",
    why="Level ALL with execution data writes each input and output to the log, prompts and "
    "answers too.",
    fix="Set LoggingConfiguration.Level to ERROR, or IncludeExecutionData to false.",
    evidence="AWS Step Functions Developer Guide, logging execution history",
    note="Levels without data are short lines.",
    cases=Cases(
        compliant="""
            S:
              Type: AWS::StepFunctions::StateMachine
              Properties: {LoggingConfiguration: {Level: ERROR}}
            """,
        non_compliant="""
            S:
              Type: AWS::StepFunctions::StateMachine
              Properties: {LoggingConfiguration: {Level: ALL, IncludeExecutionData: true}}
            """,
        not_applicable="S: {Type: AWS::StepFunctions::StateMachine}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                S:
                  Type: AWS::StepFunctions::StateMachine
                  Properties: {LoggingConfiguration: {Level: ALL}}
                """,
            ),
        ),
    ),
)
def _state_machine_logs(machine: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(machine.has("LoggingConfiguration"))
    logs_all = machine.text("LoggingConfiguration.Level") == "ALL"
    if logs_all and machine.flag("LoggingConfiguration.IncludeExecutionData"):
        yield machine.fault("LoggingConfiguration.IncludeExecutionData", "false")
