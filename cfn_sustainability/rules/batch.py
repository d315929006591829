"""AWS Batch: computers for jobs that come now and then."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import has_graviton_sibling
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_ENVIRONMENT = "AWS::Batch::ComputeEnvironment"
_JOB = "AWS::Batch::JobDefinition"
_MACHINES = ("EC2", "SPOT")


def _environment(resources: str) -> str:
    return f"E: {{Type: {_ENVIRONMENT}, Properties: {{ComputeResources: {resources}}}}}"


def _job(properties: str) -> str:
    return f"J: {{Type: {_JOB}, Properties: {{{properties}}}}}"


def _kind(environment: Resource) -> str:
    applies_if(environment.has("ComputeResources.Type"))
    return environment.text("ComputeResources.Type")


@rule(
    "BatchRestsAtZero",
    _ENVIRONMENT,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "MLSUS03-BP01", "SUS03-BP01"),
    what="A compute environment for jobs rests at zero machines.",
    why="A minimum above zero keeps machines on while no job waits.",
    fix="Set ComputeResources.MinvCpus to 0.",
    evidence="AWS Batch User Guide, compute environment parameters",
    note="A job then waits some minutes for the first machine. Fargate has no minimum.",
    cases=Cases(
        compliant=_environment("{Type: EC2, MinvCpus: 0, MaxvCpus: 64}"),
        non_compliant=_environment("{Type: SPOT, MinvCpus: 16, MaxvCpus: 64}"),
        not_applicable=_environment("{Type: FARGATE, MaxvCpus: 64}"),
        edges=(
            (Outcome.COMPLIANT, _environment("{Type: EC2, MaxvCpus: 64}")),
            (Outcome.UNKNOWN, _environment("{Type: EC2, MinvCpus: !ImportValue least}")),
        ),
    ),
)
def _batch_rests(environment: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(_kind(environment) in _MACHINES)
    if environment.number("ComputeResources.MinvCpus", 0) > 0:
        yield environment.fault("ComputeResources.MinvCpus", "0")


@rule(
    "BatchOnSpot",
    _ENVIRONMENT,
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS05-BP01"),
    what="Jobs that can be tried again run on spare capacity.",
    why="Spot uses machines that are on anyway; a job that is interrupted is tried again.",
    fix="Set Type to SPOT or FARGATE_SPOT, with retries in the job definition.",
    evidence="AWS Batch User Guide, best practices",
    note="Jobs with a deadline may need an environment of their own on demand.",
    cases=Cases(
        compliant=_environment("{Type: SPOT, MaxvCpus: 64}"),
        non_compliant=_environment("{Type: EC2, MaxvCpus: 64}"),
        not_applicable=f"E: {{Type: {_ENVIRONMENT}, Properties: {{Type: UNMANAGED}}}}",
        edges=(
            (Outcome.NON_COMPLIANT, _environment("{Type: FARGATE, MaxvCpus: 64}")),
            (Outcome.COMPLIANT, _environment("{Type: FARGATE_SPOT, MaxvCpus: 64}")),
        ),
    ),
)
def _batch_on_spot(environment: Resource, _: RuleSettings) -> Iterator[Fault]:
    kind = _kind(environment)
    if kind in ("EC2", "FARGATE"):
        yield environment.fault(
            "ComputeResources.Type", "SPOT" if kind == "EC2" else "FARGATE_SPOT"
        )


@rule(
    "BatchGraviton",
    _ENVIRONMENT,
    _JOB,
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="Jobs run on Graviton.",
    why="Graviton does the same work with less energy; the image has to exist for arm64.",
    fix="Set InstanceTypes to families such as m7g, c7g or default_arm64; on Fargate set "
    "RuntimePlatform.CpuArchitecture to ARM64.",
    evidence="AWS Batch User Guide, instance type compute table",
    note="The choice optimal means x86. Families with accelerators are left alone.",
    cases=Cases(
        compliant=_environment("{Type: SPOT, InstanceTypes: [c7g, m7g.large]}"),
        non_compliant=_environment("{Type: SPOT, InstanceTypes: [optimal]}"),
        not_applicable=_environment("{Type: FARGATE_SPOT}"),
        edges=(
            (Outcome.NON_COMPLIANT, _environment("{Type: EC2, InstanceTypes: [c7g, c5]}")),
            (Outcome.COMPLIANT, _environment("{Type: EC2, InstanceTypes: [g5, default_arm64]}")),
            (Outcome.UNKNOWN, _environment("{Type: EC2, InstanceTypes: !ImportValue types}")),
            (Outcome.NON_COMPLIANT, _job("PlatformCapabilities: [FARGATE]")),
            (
                Outcome.COMPLIANT,
                _job(
                    "PlatformCapabilities: [FARGATE], "
                    "ContainerProperties: {RuntimePlatform: {CpuArchitecture: ARM64}}"
                ),
            ),
            (Outcome.NOT_APPLICABLE, _job("ContainerProperties: {Image: i}")),
        ),
    ),
)
def _batch_graviton(resource: Resource, settings: RuleSettings) -> Iterator[Fault]:
    if resource.type == _JOB:
        applies_if("FARGATE" in resource.texts("PlatformCapabilities"))
        platform = "ContainerProperties.RuntimePlatform"
        windows = resource.fragment(f"{platform}.OperatingSystemFamily").startswith("WINDOWS")
        applies_if(not windows)
        if resource.text(f"{platform}.CpuArchitecture", "X86_64") != "ARM64":
            yield resource.fault(f"{platform}.CpuArchitecture", "ARM64")
        return
    applies_if(_kind(resource) in _MACHINES)
    x86 = [
        name
        for name in resource.texts("ComputeResources.InstanceTypes")
        if name in ("optimal", "default_x86_64")
        or has_graviton_sibling(name if "." in name else f"{name}.large")
    ]
    if any(name not in settings.allowed_instances for name in x86):
        yield resource.fault("ComputeResources.InstanceTypes", "Graviton types or default_arm64")


@rule(
    "BatchJobStops",
    _JOB,
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "SUS05-BP01"),
    what="A job has a time after which it stops.",
    why="A job that hangs otherwise holds its machine until somebody looks.",
    fix="Set Timeout.AttemptDurationSeconds to what a good run takes.",
    evidence="AWS Batch User Guide, job timeouts",
    note="On Fargate the service ends a job after 14 days at the latest.",
    cases=Cases(
        compliant=_job("Timeout: {AttemptDurationSeconds: 3600}"),
        non_compliant=_job("Type: container"),
        not_applicable="J: {Type: AWS::Batch::JobQueue}",
        edges=((Outcome.COMPLIANT, _job("Timeout: {AttemptDurationSeconds: !ImportValue s}")),),
    ),
)
def _batch_job_stops(job: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not job.has("Timeout.AttemptDurationSeconds"):
        yield job.fault("Timeout.AttemptDurationSeconds", "a number of seconds")
