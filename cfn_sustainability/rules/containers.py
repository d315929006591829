"""Amazon ECS, EKS and AWS CodeBuild."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import has_graviton_sibling
from cfn_sustainability.rules._scaling import scalable_targets
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource


def _task(platform: str) -> str:
    return f"""
T:
  Type: AWS::ECS::TaskDefinition
  Properties: {{RequiresCompatibilities: [FARGATE], RuntimePlatform: {platform}}}
"""


def _service(properties: str) -> str:
    return f"S: {{Type: AWS::ECS::Service, Properties: {{{properties}}}}}"


def _nodes(properties: str) -> str:
    return f"N: {{Type: AWS::EKS::Nodegroup, Properties: {{{properties}}}}}"


@rule(
    "FargateArm64",
    "AWS::ECS::TaskDefinition",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A Fargate task runs on Graviton.",
    why="Graviton does the same work with less energy; the image has to exist for arm64.",
    fix="Build the image for linux/arm64 and set RuntimePlatform.CpuArchitecture to ARM64.",
    evidence="Amazon ECS Developer Guide, task definitions for 64-bit ARM workloads",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="On EC2 the instance decides; Windows needs x86.",
    cases=Cases(
        compliant=_task("{CpuArchitecture: ARM64}"),
        non_compliant=_task("{CpuArchitecture: X86_64}"),
        not_applicable=_task("{OperatingSystemFamily: WINDOWS_SERVER_2022_CORE}"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                T:
                  Type: AWS::ECS::TaskDefinition
                  Properties: {RequiresCompatibilities: [FARGATE]}
                """,
            ),
            (
                Outcome.NOT_APPLICABLE,
                "T: {Type: AWS::ECS::TaskDefinition, Properties: {RequiresCompatibilities: [EC2]}}",
            ),
        ),
    ),
)
def _fargate_arm64(task: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if("FARGATE" in task.texts("RequiresCompatibilities"))
    applies_if("WINDOWS" not in task.fragment("RuntimePlatform.OperatingSystemFamily"))
    if task.text("RuntimePlatform.CpuArchitecture", "X86_64") != "ARM64":
        yield task.fault("RuntimePlatform.CpuArchitecture", "ARM64")


@rule(
    "EcsServiceScales",
    "AWS::ECS::Service",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="A service of several tasks follows demand.",
    why="A fixed number of tasks is sized for the peak and idles the rest of the time.",
    fix="Add a scalable target for ecs:service:DesiredCount with a policy.",
    evidence="Sustainability Pillar: Scale workload infrastructure dynamically",
    note="A single task has nothing to give back; a daemon runs on each machine.",
    cases=Cases(
        compliant=_service("DesiredCount: 3")
        + """
T:
  Type: AWS::ApplicationAutoScaling::ScalableTarget
  Properties:
    ScalableDimension: ecs:service:DesiredCount
    ResourceId: !Sub "service/main/${S.Name}"
""",
        non_compliant=_service("DesiredCount: 3"),
        not_applicable=_service("SchedulingStrategy: DAEMON, DesiredCount: 3"),
        edges=(
            (Outcome.NOT_APPLICABLE, _service("DesiredCount: '1'")),
            (Outcome.UNKNOWN, _service("DesiredCount: !ImportValue count")),
        ),
    ),
)
def _ecs_service_scales(service: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(service.text("SchedulingStrategy", "REPLICA") == "REPLICA")
    applies_if(service.number("DesiredCount", 1) > 1)
    if not scalable_targets(service, "ecs:service:DesiredCount"):
        yield service.fault("DesiredCount", "a scalable target for ecs:service:DesiredCount")


@rule(
    "FargateSpot",
    "AWS::ECS::Service",
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS05-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development service runs on Fargate Spot.",
    why="Spot uses machines that are on anyway; development can stand an interruption.",
    fix="Give FARGATE_SPOT in CapacityProviderStrategy.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    note="Where neither is stated, the cluster's default decides.",
    cases=Cases(
        compliant=_service(
            "CapacityProviderStrategy: [{CapacityProvider: FARGATE_SPOT, Weight: 1}]"
        ),
        non_compliant=_service("LaunchType: FARGATE"),
        not_applicable=_service("LaunchType: EC2"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _service("CapacityProviderStrategy: [{CapacityProvider: FARGATE, Weight: 1}]"),
            ),
            (Outcome.NOT_APPLICABLE, _service("TaskDefinition: a")),
        ),
    ),
)
def _fargate_spot(service: Resource, _: RuleSettings) -> Iterator[Fault]:
    providers = [
        entry.text("CapacityProvider") for entry in service.each("CapacityProviderStrategy")
    ]
    applies_if(
        service.text("LaunchType") == "FARGATE"
        or "FARGATE" in providers
        or "FARGATE_SPOT" in providers
    )
    if "FARGATE_SPOT" not in providers:
        yield service.fault("CapacityProviderStrategy", "FARGATE_SPOT")


@rule(
    "EksGraviton",
    "AWS::EKS::Nodegroup",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A node group runs on Graviton.",
    why="Graviton does the same work with less energy; the images have to exist for arm64.",
    fix="Choose an ARM_64 AmiType and Graviton instance types.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Accelerated images are x86; a launch template decides for itself.",
    cases=Cases(
        compliant=_nodes("AmiType: AL2023_ARM_64_STANDARD, InstanceTypes: [m7g.large]"),
        non_compliant=_nodes("AmiType: AL2023_x86_64_STANDARD"),
        not_applicable=_nodes("AmiType: AL2023_x86_64_NEURON, InstanceTypes: [inf2.xlarge]"),
        edges=(
            (Outcome.NON_COMPLIANT, _nodes("InstanceTypes: [m7g.large, m6i.large]")),
            (Outcome.NON_COMPLIANT, _nodes("NodeRole: a")),
            (Outcome.NOT_APPLICABLE, _nodes("LaunchTemplate: {Id: a}")),
        ),
    ),
)
def _eks_graviton(nodes: Resource, settings: RuleSettings) -> Iterator[Fault]:
    ami, types = nodes.text("AmiType"), nodes.texts("InstanceTypes")
    applies_if(
        "NEURON" not in ami and "NVIDIA" not in ami and "GPU" not in ami and "WINDOWS" not in ami
    )
    applies_if(bool(ami or types) or not nodes.has("LaunchTemplate"))
    x86 = [
        name
        for name in types
        if has_graviton_sibling(name) and name not in settings.allowed_instances
    ]
    if x86:
        yield nodes.fault("InstanceTypes", "Graviton types")
    elif not types and "ARM" not in ami:
        yield nodes.fault("AmiType", "an ARM_64 image")


@rule(
    "EksSpot",
    "AWS::EKS::Nodegroup",
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS05-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development node group runs on spot instances.",
    why="Spot uses machines that are on anyway; development can stand an interruption.",
    fix="Set CapacityType to SPOT.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    note="A capacity block is reserved, and used, for a time.",
    cases=Cases(
        compliant=_nodes("CapacityType: SPOT"),
        non_compliant=_nodes("CapacityType: ON_DEMAND"),
        not_applicable=_nodes("CapacityType: CAPACITY_BLOCK"),
        edges=((Outcome.NON_COMPLIANT, _nodes("AmiType: AL2023_ARM_64_STANDARD")),),
    ),
)
def _eks_spot(nodes: Resource, _: RuleSettings) -> Iterator[Fault]:
    kind = nodes.text("CapacityType", "ON_DEMAND")
    applies_if(kind != "CAPACITY_BLOCK")
    if kind != "SPOT":
        yield nodes.fault("CapacityType", "SPOT")


@rule(
    "BuildsArm64",
    "AWS::CodeBuild::Project",
    severity=Severity.WARNING,
    practices=("SUS06-BP04", "SUS05-BP02"),
    what="Builds run on Graviton.",
    why="A build machine compiles, tests and packs with less energy on Graviton; what it "
    "builds decides.",
    fix="Set Environment.Type to ARM_CONTAINER with an arm64 image.",
    evidence="Sustainability Pillar: Increase utilization of build environments",
    note="Windows, GPU and macOS builds have no choice.",
    cases=Cases(
        compliant="""
            B:
              Type: AWS::CodeBuild::Project
              Properties: {Environment: {Type: ARM_CONTAINER}}
            """,
        non_compliant="""
            B:
              Type: AWS::CodeBuild::Project
              Properties: {Environment: {Type: LINUX_CONTAINER}}
            """,
        not_applicable="""
            B:
              Type: AWS::CodeBuild::Project
              Properties: {Environment: {Type: WINDOWS_SERVER_2022_CONTAINER}}
            """,
        edges=(
            (
                Outcome.NOT_APPLICABLE,
                """
                B:
                  Type: AWS::CodeBuild::Project
                  Properties: {Environment: {Type: LINUX_GPU_CONTAINER}}
                """,
            ),
        ),
    ),
)
def _builds_arm64(project: Resource, _: RuleSettings) -> Iterator[Fault]:
    kind = project.text("Environment.Type")
    applies_if(
        kind
        in ("LINUX_CONTAINER", "LINUX_LAMBDA_CONTAINER", "ARM_CONTAINER", "ARM_LAMBDA_CONTAINER")
    )
    if kind.startswith("LINUX"):
        yield project.fault("Environment.Type", kind.replace("LINUX", "ARM"))


@rule(
    "EksNodegroupScales",
    "AWS::EKS::Nodegroup",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="A node group of several nodes can shrink.",
    why="With the same minimum and maximum the group runs for its peak at all times.",
    fix="Set ScalingConfig.MinSize below MaxSize, and run the Cluster Autoscaler or Karpenter.",
    evidence="Amazon EKS User Guide, scale cluster compute",
    note="A group of one node heals; it does not scale.",
    cases=Cases(
        compliant=_nodes("ScalingConfig: {MinSize: 1, MaxSize: 6}"),
        non_compliant=_nodes("ScalingConfig: {MinSize: 6, MaxSize: 6}"),
        not_applicable=_nodes("ScalingConfig: {MinSize: 1, MaxSize: 1}"),
        edges=(
            (Outcome.NOT_APPLICABLE, _nodes("ClusterName: c")),
            (Outcome.UNKNOWN, _nodes("ScalingConfig: {MinSize: !ImportValue least, MaxSize: 6}")),
        ),
    ),
)
def _eks_scales(nodes: Resource, _: RuleSettings) -> Iterator[Fault]:
    most = nodes.number("ScalingConfig.MaxSize", 2)
    applies_if(most > 1 and nodes.has("ScalingConfig.MaxSize"))
    if nodes.number("ScalingConfig.MinSize", 1) >= most:
        yield nodes.fault("ScalingConfig.MinSize", f"less than {most:.0f}")


_DEBUG_LOGS = ("api", "controllerManager", "scheduler")


def _cluster(types: str) -> str:
    return f"""
C:
  Type: AWS::EKS::Cluster
  Properties: {{Logging: {{ClusterLogging: {{EnabledTypes: [{types}]}}}}}}
"""


@rule(
    "EksLogsLean",
    "AWS::EKS::Cluster",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="The control plane of an EKS cluster writes only logs that are read.",
    why="The logs of the API server, the scheduler and the controller manager write a line for "
    "nearly each request and decision; they help while somebody debugs the cluster.",
    fix="Keep audit and authenticator, and switch on the others while you debug.",
    evidence="Amazon EKS User Guide, send control plane logs to CloudWatch Logs",
    note="By default nothing is logged.",
    cases=Cases(
        compliant=_cluster("{Type: audit}"),
        non_compliant=_cluster("{Type: audit}, {Type: scheduler}"),
        not_applicable="C: {Type: AWS::EKS::Cluster}",
        edges=((Outcome.UNKNOWN, _cluster("{Type: !ImportValue kind}")),),
    ),
)
def _eks_logs(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "Logging.ClusterLogging.EnabledTypes"
    types = [entry.text("Type") for entry in cluster.each(path)]
    applies_if(bool(types))
    if any(kind in _DEBUG_LOGS for kind in types):
        yield cluster.fault(path, "audit and authenticator")
