"""Amazon SageMaker AI notebooks, Studio, clusters and monitoring: what is left on."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._schedules import minutes_between
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_APPS = ("JupyterLab", "CodeEditor")
_USERS = "DefaultUserSettings"
_IDLE = "AppLifecycleManagement.IdleSettings"


def _domain(jupyter: str, editor: str) -> str:
    return f"""
D:
  Type: AWS::SageMaker::Domain
  Properties:
    DefaultUserSettings:
      JupyterLabAppSettings: {{AppLifecycleManagement: {{IdleSettings: {jupyter}}}}}
      CodeEditorAppSettings: {{AppLifecycleManagement: {{IdleSettings: {editor}}}}}
"""


def _monitor(expression: str) -> str:
    return f"""
M:
  Type: AWS::SageMaker::MonitoringSchedule
  Properties:
    MonitoringScheduleConfig: {{ScheduleConfig: {{ScheduleExpression: {expression!r}}}}}
"""


_HOUR = "{LifecycleManagement: ENABLED, IdleTimeoutInMinutes: 60}"


@rule(
    "NotebookStopsWhenIdle",
    "AWS::SageMaker::NotebookInstance",
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "MLSUS03-BP01", "SUS02-BP05"),
    what="A notebook instance stops when it is idle.",
    why="A notebook instance runs until somebody stops it, over nights and weekends.",
    fix="Attach a lifecycle configuration that stops the idle instance, or use Studio.",
    evidence="Machine Learning Lens: Minimize idle resources",
    note="The rule does not read what the lifecycle configuration does.",
    cases=Cases(
        compliant="""
            N:
              Type: AWS::SageMaker::NotebookInstance
              Properties: {LifecycleConfigName: auto-stop}
            """,
        non_compliant="""
            N:
              Type: AWS::SageMaker::NotebookInstance
              Properties: {InstanceType: ml.t3.medium}
            """,
        not_applicable="N: {Type: AWS::SageMaker::CodeRepository}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                N:
                  Type: AWS::SageMaker::NotebookInstance
                  Properties: {LifecycleConfigName: !Ref "AWS::NoValue"}
                """,
            ),
        ),
    ),
)
def _notebook_stops(notebook: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not notebook.has("LifecycleConfigName"):
        yield notebook.fault("LifecycleConfigName", "a configuration that stops the idle instance")


@rule(
    "StudioStopsWhenIdle",
    "AWS::SageMaker::Domain",
    severity=Severity.ERROR,
    practices=("MLSUS03-BP01", "GENSUS01-BP01", "SUS02-BP05"),
    what="Applications of SageMaker Studio stop when they are idle.",
    why="By default an application keeps its instance until its user shuts it down.",
    fix="Set LifecycleManagement to ENABLED and IdleTimeoutInMinutes for JupyterLab and Code "
    "Editor.",
    evidence="Amazon SageMaker AI Developer Guide, idle shutdown in Studio",
    note="A warning where a lifecycle configuration is attached, which may stop applications, too. "
    "A user's profile may narrow what the domain sets. Hidden applications, and domains of Studio "
    "Classic alone, are not judged.",
    cases=Cases(
        compliant=_domain(_HOUR, _HOUR),
        non_compliant=_domain(_HOUR, "{LifecycleManagement: DISABLED}"),
        not_applicable="D: {Type: AWS::SageMaker::UserProfile}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "D: {Type: AWS::SageMaker::Domain, Properties: {DomainName: team}}",
            ),
            (
                Outcome.NON_COMPLIANT,
                _domain(_HOUR, "{LifecycleManagement: ENABLED, IdleTimeoutInMinutes: 121}"),
            ),
            (Outcome.UNKNOWN, _domain("!ImportValue idle", _HOUR)),
            (
                Outcome.COMPLIANT,
                """
                D:
                  Type: AWS::SageMaker::Domain
                  Properties:
                    DefaultUserSettings:
                      StudioWebPortalSettings: {HiddenAppTypes: [JupyterLab, CodeEditor]}
                """,
            ),
            (
                Outcome.NOT_APPLICABLE,
                """
                D:
                  Type: AWS::SageMaker::Domain
                  Properties: {DefaultUserSettings: {StudioWebPortal: DISABLED}}
                """,
            ),
        ),
    ),
)
def _studio_stops(domain: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(domain.text(f"{_USERS}.StudioWebPortal", "ENABLED") != "DISABLED")
    hidden = domain.texts(f"{_USERS}.StudioWebPortalSettings.HiddenAppTypes")
    for app in _APPS:
        of_app = f"{_USERS}.{app}AppSettings"
        path = f"{of_app}.{_IDLE}"
        if app in hidden:
            continue
        if domain.text(f"{path}.LifecycleManagement") != "ENABLED":
            scripted = any(
                domain.has(f"{of_app}.{key}")
                for key in ("LifecycleConfigArns", "BuiltInLifecycleConfigArn")
            )
            yield domain.fault(f"{path}.LifecycleManagement", "ENABLED", certain=not scripted)
        elif domain.number(f"{path}.IdleTimeoutInMinutes", 60) > settings.studio_idle_minutes_max:
            yield domain.fault(
                f"{path}.IdleTimeoutInMinutes", f"at most {settings.studio_idle_minutes_max}"
            )


@rule(
    "ClusterScales",
    "AWS::SageMaker::Cluster",
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "GENSUS01-BP02"),
    what="A HyperPod cluster on EKS scales its nodes with the jobs.",
    why="Accelerated nodes that wait for the next job use much of the power of those at work.",
    fix="Set AutoScaling.Mode to Enable.",
    evidence="Generative AI Lens: Use efficient model customization services",
    note="Only clusters on EKS have an autoscaler.",
    cases=Cases(
        compliant="""
            C:
              Type: AWS::SageMaker::Cluster
              Properties: {Orchestrator: {Eks: {ClusterArn: a}}, AutoScaling: {Mode: Enable}}
            """,
        non_compliant="""
            C:
              Type: AWS::SageMaker::Cluster
              Properties: {Orchestrator: {Eks: {ClusterArn: a}}}
            """,
        not_applicable="C: {Type: AWS::SageMaker::Cluster, Properties: {InstanceGroups: []}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                C:
                  Type: AWS::SageMaker::Cluster
                  Properties: {Orchestrator: {Eks: {ClusterArn: a}}, AutoScaling: {Mode: Disable}}
                """,
            ),
        ),
    ),
)
def _cluster_scales(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(cluster.has("Orchestrator.Eks"))
    if cluster.text("AutoScaling.Mode") != "Enable":
        yield cluster.fault("AutoScaling.Mode", "Enable")


@rule(
    "ModelMonitorDaily",
    "AWS::SageMaker::MonitoringSchedule",
    severity=Severity.WARNING,
    practices=("SUS03-BP01",),
    what="A model is not checked for drift more often than daily.",
    why="Each check starts processing instances; drift takes days or weeks.",
    fix="Set ScheduleExpression to once a day or less.",
    evidence="Machine Learning Lens: Measure material efficiency",
    note="A day is the longest interval that a schedule can be told to have.",
    cases=Cases(
        compliant=_monitor("cron(0 4 ? * * *)"),
        non_compliant=_monitor("cron(0 * ? * * *)"),
        not_applicable="M: {Type: AWS::SageMaker::MonitoringSchedule}",
        edges=(
            (Outcome.NON_COMPLIANT, _monitor("cron(0 0/12 ? * * *)")),
            (Outcome.UNKNOWN, _monitor("NOW")),
        ),
    ),
)
def _model_monitor_daily(schedule: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "MonitoringScheduleConfig.ScheduleConfig.ScheduleExpression"
    applies_if(schedule.has(path))
    if minutes_between(schedule.text(path)) < 24 * 60:
        yield schedule.fault(path, "once a day")
