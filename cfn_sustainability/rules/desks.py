"""Machines that people sit at: notebooks, Studio, WorkSpaces, AppStream, Cloud9."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import is_gpu
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_NOTEBOOK = "AWS::SageMaker::NotebookInstance"
_SETTINGS = {
    "AWS::SageMaker::Domain": ("DefaultUserSettings", "DefaultSpaceSettings"),
    "AWS::SageMaker::UserProfile": ("UserSettings",),
    "AWS::SageMaker::Space": ("SpaceSettings",),
}
_APPS = (
    "JupyterLabAppSettings",
    "CodeEditorAppSettings",
    "JupyterServerAppSettings",
    "KernelGatewayAppSettings",
)
_IDLE_MINUTES_MAX = 60


def _notebook(kind: str) -> str:
    return f"N: {{Type: {_NOTEBOOK}, Properties: {{InstanceType: {kind}}}}}"


def _workspace(properties: str) -> str:
    return f"W: {{Type: AWS::WorkSpaces::Workspace, Properties: {{{properties}}}}}"


def _fleet(properties: str) -> str:
    return f"F: {{Type: AWS::AppStream::Fleet, Properties: {{{properties}}}}}"


@rule(
    "NotebookWithoutAccelerator",
    _NOTEBOOK,
    "AWS::SageMaker::App",
    *_SETTINGS,
    severity=Severity.WARNING,
    practices=("SUS02-BP05", "SUS05-BP04", "MLSUS03-BP01"),
    what="A notebook, or the default of Studio, has no accelerator.",
    why="Its user mostly reads and writes; a GPU that waits for the next cell draws tens of watts "
    "and is at work for a fraction of the day.",
    fix="Write on ml.t3.medium and start training, processing or an endpoint for what needs an "
    "accelerator.",
    evidence="Machine Learning Lens: Minimize idle resources; Sustainability Pillar: Optimize team "
    "member resources for activities performed",
    note="Any GPU counts, and so do Trainium and Inferentia.",
    cases=Cases(
        compliant=_notebook("ml.t3.medium"),
        non_compliant=_notebook("ml.p3.8xlarge"),
        not_applicable="N: {Type: AWS::SageMaker::CodeRepository}",
        edges=(
            (Outcome.NON_COMPLIANT, _notebook("ml.trn1.2xlarge")),
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::SageMaker::Domain
                  Properties:
                    DefaultUserSettings:
                      JupyterLabAppSettings: {DefaultResourceSpec: {InstanceType: ml.g5.xlarge}}
                """,
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                A:
                  Type: AWS::SageMaker::App
                  Properties: {AppType: JupyterLab, ResourceSpec: {InstanceType: ml.g4dn.xlarge}}
                """,
            ),
            (Outcome.COMPLIANT, "U: {Type: AWS::SageMaker::UserProfile}"),
            (Outcome.UNKNOWN, _notebook("!ImportValue size")),
        ),
    ),
)
def _notebook_accelerator(desk: Resource, settings: RuleSettings) -> Iterator[Fault]:
    paths = ["InstanceType", "ResourceSpec.InstanceType"]
    for section in _SETTINGS.get(desk.type, ()):
        paths += [f"{section}.{app}.DefaultResourceSpec.InstanceType" for app in _APPS]
    for path in paths:
        name = desk.text(path)
        accelerated = is_gpu(name) or name.startswith(("ml.trn", "ml.inf"))
        if accelerated and name not in settings.allowed_instances:
            yield desk.fault(path, "a type without accelerator such as ml.t3.medium")


@rule(
    "WorkspaceStops",
    "AWS::WorkSpaces::Workspace",
    severity=Severity.WARNING,
    practices=("SUS02-BP05", "MLSUS03-BP01", "SUS02-BP03"),
    what="A desktop stops when its user is gone.",
    why="A working week has 40 to 60 of 168 hours; an always-on desktop runs through the rest.",
    fix="Set RunningMode to AUTO_STOP with a timeout of 60 minutes.",
    evidence="Amazon WorkSpaces Administration Guide, manage the running mode",
    note="Without RunningMode the service decides; that is not judged.",
    cases=Cases(
        compliant=_workspace("WorkspaceProperties: {RunningMode: AUTO_STOP}"),
        non_compliant=_workspace("WorkspaceProperties: {RunningMode: ALWAYS_ON}"),
        not_applicable=_workspace("BundleId: b"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _workspace(
                    "WorkspaceProperties: "
                    "{RunningMode: AUTO_STOP, RunningModeAutoStopTimeoutInMinutes: 600}"
                ),
            ),
            (Outcome.COMPLIANT, _workspace("WorkspaceProperties: {RunningMode: MANUAL}")),
        ),
    ),
)
def _workspace_stops(desktop: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "WorkspaceProperties.RunningMode"
    applies_if(desktop.has(path))
    if desktop.text(path) == "ALWAYS_ON":
        yield desktop.fault(path, "AUTO_STOP")
    timeout = "WorkspaceProperties.RunningModeAutoStopTimeoutInMinutes"
    if desktop.number(timeout, _IDLE_MINUTES_MAX) > _IDLE_MINUTES_MAX:
        yield desktop.fault(timeout, f"{_IDLE_MINUTES_MAX}")


@rule(
    "FleetOnDemand",
    "AWS::AppStream::Fleet",
    severity=Severity.WARNING,
    practices=("SUS02-BP05", "SUS02-BP01"),
    what="A fleet of streaming machines starts them when a user comes.",
    why="In a fleet that is always on, machines run without a user as they do with one.",
    fix="Set FleetType to ON_DEMAND or ELASTIC.",
    evidence="Amazon AppStream 2.0 Administration Guide, fleet type",
    note="A user then waits one or two minutes.",
    cases=Cases(
        compliant=_fleet("FleetType: ON_DEMAND"),
        non_compliant=_fleet("FleetType: ALWAYS_ON"),
        not_applicable="F: {Type: AWS::AppStream::Stack}",
        edges=((Outcome.UNKNOWN, _fleet("FleetType: !ImportValue kind")),),
    ),
)
def _fleet_on_demand(fleet: Resource, _: RuleSettings) -> Iterator[Fault]:
    if fleet.text("FleetType") == "ALWAYS_ON":
        yield fleet.fault("FleetType", "ON_DEMAND or ELASTIC")


@rule(
    "Cloud9Stops",
    "AWS::Cloud9::EnvironmentEC2",
    severity=Severity.WARNING,
    practices=("SUS02-BP05", "MLSUS03-BP01"),
    what="A Cloud9 environment stops when it is idle.",
    why="Without AutomaticStopTimeMinutes an environment runs until somebody stops it, over "
    "nights and weekends.",
    fix="Set AutomaticStopTimeMinutes to 30.",
    evidence="AWS Cloud9 User Guide, environment settings",
    note="An hour passes.",
    cases=Cases(
        compliant="""
            C:
              Type: AWS::Cloud9::EnvironmentEC2
              Properties: {AutomaticStopTimeMinutes: 30}
            """,
        non_compliant="C: {Type: AWS::Cloud9::EnvironmentEC2, Properties: {Name: desk}}",
        not_applicable="C: {Type: AWS::EC2::VPC}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                C:
                  Type: AWS::Cloud9::EnvironmentEC2
                  Properties: {AutomaticStopTimeMinutes: 20160}
                """,
            ),
        ),
    ),
)
def _cloud9_stops(environment: Resource, _: RuleSettings) -> Iterator[Fault]:
    minutes = environment.number("AutomaticStopTimeMinutes")
    if minutes is None or minutes > _IDLE_MINUTES_MAX:
        yield environment.fault("AutomaticStopTimeMinutes", f"at most {_IDLE_MINUTES_MAX}")
