"""Amazon EMR, AWS Glue and Amazon Kendra."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource


def _job(properties: str, command: str = "glueetl") -> str:
    return (
        f"J: {{Type: AWS::Glue::Job, Properties: {{Command: {{Name: {command}}}, {properties}}}}}"
    )


_GLUE_SCALES_SINCE = 3.0
_SCALING = "DefaultArguments: {--enable-auto-scaling: 'true'}"


@rule(
    "EmrServerlessArm64",
    "AWS::EMRServerless::Application",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="An EMR Serverless application runs on Graviton.",
    why="Spark and Hive run on both; arm64 does the work with less energy.",
    fix="Set Architecture to ARM64 and build native dependencies for aarch64.",
    evidence="Amazon EMR Serverless User Guide, architecture options",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="The default is X86_64.",
    cases=Cases(
        compliant="A: {Type: AWS::EMRServerless::Application, Properties: {Architecture: ARM64}}",
        non_compliant="A: {Type: AWS::EMRServerless::Application, Properties: {Type: SPARK}}",
        not_applicable="A: {Type: AWS::EMR::Cluster}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "A: {Type: AWS::EMRServerless::Application, Properties: {Architecture: X86_64}}",
            ),
        ),
    ),
)
def _emr_serverless_arm64(application: Resource, _: RuleSettings) -> Iterator[Fault]:
    if application.text("Architecture", "X86_64") != "ARM64":
        yield application.fault("Architecture", "ARM64")


@rule(
    "EmrTaskNodesSpot",
    "AWS::EMR::InstanceGroupConfig",
    "AWS::EMR::InstanceFleetConfig",
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS05-BP01"),
    what="Task nodes of an EMR cluster run on spot instances.",
    why="They hold no data, so an interruption costs a retry; spot uses machines that are on "
    "anyway.",
    fix="Set Market to SPOT, or TargetSpotCapacity instead of TargetOnDemandCapacity.",
    evidence="Amazon EMR Management Guide, instance purchasing options",
    note="Master and core nodes hold what a job cannot lose.",
    cases=Cases(
        compliant="""
            G:
              Type: AWS::EMR::InstanceGroupConfig
              Properties: {InstanceRole: TASK, Market: SPOT}
            """,
        non_compliant="G: {Type: AWS::EMR::InstanceGroupConfig, Properties: {InstanceRole: TASK}}",
        not_applicable="G: {Type: AWS::EMR::InstanceGroupConfig, Properties: {InstanceRole: CORE}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                F:
                  Type: AWS::EMR::InstanceFleetConfig
                  Properties: {InstanceFleetType: TASK, TargetSpotCapacity: '0'}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                G:
                  Type: AWS::EMR::InstanceGroupConfig
                  Properties: {InstanceRole: TASK, BidPrice: '0.1'}
                """,
            ),
        ),
    ),
)
def _emr_task_nodes_spot(nodes: Resource, _: RuleSettings) -> Iterator[Fault]:
    if nodes.type == "AWS::EMR::InstanceFleetConfig":
        applies_if(nodes.text("InstanceFleetType") == "TASK")
        if nodes.number("TargetSpotCapacity", 0) == 0:
            yield nodes.fault("TargetSpotCapacity", "a capacity above zero")
    else:
        applies_if(nodes.text("InstanceRole") == "TASK")
        if nodes.text("Market") != "SPOT" and not nodes.has("BidPrice"):
            yield nodes.fault("Market", "SPOT")


@rule(
    "GlueJobStops",
    "AWS::Glue::Job",
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "SUS05-BP01"),
    what="A Glue job has a timeout that fits it.",
    why="The service's own limit is 8 hours or more, in which a job that hangs keeps all its "
    "workers.",
    fix="Set Timeout to what a good run takes, or raise job_timeout_minutes_max.",
    evidence="AWS Glue Developer Guide, adding jobs",
    note="A streaming job is meant to run on.",
    cases=Cases(
        compliant=_job("Timeout: 60"),
        non_compliant=_job("GlueVersion: '5.0'"),
        not_applicable=_job("GlueVersion: '5.0'", "gluestreaming"),
        edges=(
            (Outcome.COMPLIANT, _job("Timeout: '480'")),
            (Outcome.NON_COMPLIANT, _job("Timeout: 2880")),
        ),
    ),
)
def _glue_job_stops(job: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(job.fragment("Command.Name") != "gluestreaming")
    minutes = job.number("Timeout")
    if minutes is None or minutes > settings.job_timeout_minutes_max:
        yield job.fault("Timeout", f"at most {settings.job_timeout_minutes_max} minutes")


@rule(
    "GlueJobScales",
    "AWS::Glue::Job",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS02-BP01", "SUS05-BP01"),
    what="A Spark job on Glue gives back workers that it does not need.",
    why="A fixed number is sized for the widest stage; without a number the service gives ten "
    "units.",
    fix="Set NumberOfWorkers as the maximum and --enable-auto-scaling to true in DefaultArguments.",
    evidence="AWS Glue Developer Guide, using auto scaling",
    note="Two workers, a driver and one more, are the least. Glue before 3.0 does not scale.",
    cases=Cases(
        compliant=_job(f"WorkerType: G.1X, NumberOfWorkers: 10, {_SCALING}"),
        non_compliant=_job("WorkerType: G.1X, NumberOfWorkers: 10"),
        not_applicable=_job("MaxCapacity: 0.0625", "pythonshell"),
        edges=(
            (Outcome.NON_COMPLIANT, _job("Role: a")),
            (Outcome.COMPLIANT, _job("WorkerType: G.1X, NumberOfWorkers: 2")),
            (
                Outcome.UNKNOWN,
                _job("DefaultArguments: {--enable-auto-scaling: !ImportValue scaled}"),
            ),
        ),
    ),
)
def _glue_job_scales(job: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(job.fragment("Command.Name") in ("glueetl", "gluestreaming"))
    applies_if(job.number("GlueVersion", _GLUE_SCALES_SINCE) >= _GLUE_SCALES_SINCE)
    workers = job.number("NumberOfWorkers", job.number("MaxCapacity", 10))
    arguments = job.entries("DefaultArguments")
    scaled = arguments.get("--enable-auto-scaling")
    if workers > 2 and not (scaled and scaled.flag("", False)):
        yield job.fault(
            "DefaultArguments",
            "--enable-auto-scaling: true",
            found="keep a fixed number of workers",
        )


@rule(
    "KendraEdition",
    "AWS::Kendra::Index",
    severity=Severity.WARNING,
    practices=("SUS02-BP02", "SUS05-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development search index is of the developer edition.",
    why="The enterprise editions run over three zones around the clock.",
    fix="Set Edition to DEVELOPER_EDITION.",
    evidence="Amazon Kendra Developer Guide, editions",
    note="An index must state its edition. The developer edition takes 10,000 documents.",
    cases=Cases(
        compliant="K: {Type: AWS::Kendra::Index, Properties: {Edition: DEVELOPER_EDITION}}",
        non_compliant="K: {Type: AWS::Kendra::Index, Properties: {Edition: ENTERPRISE_EDITION}}",
        not_applicable="K: {Type: AWS::Kendra::DataSource}",
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Edition: {Type: String}}
                Resources: {K: {Type: AWS::Kendra::Index, Properties: {Edition: !Ref Edition}}}
                """,
            ),
        ),
    ),
)
def _kendra_edition(index: Resource, _: RuleSettings) -> Iterator[Fault]:
    if index.text("Edition").endswith("ENTERPRISE_EDITION"):
        yield index.fault("Edition", "DEVELOPER_EDITION")


_PREPARED = "InitialCapacity: [{Key: Driver, Value: {WorkerCount: 2}}]"


def _application(properties: str) -> str:
    return f"A: {{Type: AWS::EMRServerless::Application, Properties: {{{properties}}}}}"


@rule(
    "EmrServerlessStops",
    "AWS::EMRServerless::Application",
    severity=Severity.WARNING,
    practices=("SUS02-BP03", "MLSUS03-BP01", "SUS02-BP01"),
    what="An EMR Serverless application stops when it is idle.",
    why="Workers that are started in advance stay on, and are charged, until the application "
    "stops.",
    fix="Leave AutoStopConfiguration.Enabled at its default, true, with IdleTimeoutMinutes.",
    evidence="Amazon EMR Serverless User Guide, configuring an application (pre-initialized "
    "capacity)",
    note="Without InitialCapacity no worker waits.",
    cases=Cases(
        compliant=_application(_PREPARED),
        non_compliant=_application(f"{_PREPARED}, AutoStopConfiguration: {{Enabled: false}}"),
        not_applicable=_application("AutoStopConfiguration: {Enabled: false}"),
        edges=(
            (
                Outcome.COMPLIANT,
                _application(f"{_PREPARED}, AutoStopConfiguration: {{Enabled: 'true'}}"),
            ),
        ),
    ),
)
def _emr_serverless_stops(application: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(bool(application.each("InitialCapacity")))
    if not application.flag("AutoStopConfiguration.Enabled", True):
        yield application.fault("AutoStopConfiguration.Enabled", "true")
