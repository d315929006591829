"""Amazon EC2 instances, volumes and Auto Scaling groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_faults, is_old, old_faults
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import section

_INSTANCE_TYPE = {
    "AWS::EC2::Instance": "InstanceType",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateData.InstanceType",
    "AWS::AutoScaling::LaunchConfiguration": "InstanceType",
}
_MAPPINGS = {
    "AWS::EC2::Instance": "BlockDeviceMappings",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateData.BlockDeviceMappings",
    "AWS::AutoScaling::LaunchConfiguration": "BlockDeviceMappings",
}
_WINDOWS = re.compile(r"windows|<powershell>|<script>", re.IGNORECASE)
_SCHEDULES = ("AWS::Scheduler::Schedule", "AWS::Events::Rule", "AWS::SSM::MaintenanceWindowTarget")


def _instance(name: str) -> str:
    return f"I: {{Type: AWS::EC2::Instance, Properties: {{InstanceType: {name}}}}}"


@rule(
    "Ec2Graviton",
    *_INSTANCE_TYPE,
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A virtual machine runs on Graviton.",
    why="Graviton does the same work with less energy; the software has to exist for arm64.",
    fix="Choose a Graviton type, such as m7g, c7g, r7g or t4g, with an arm64 image.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Ec2CurrentGeneration judges replaced generations. Windows and some series have no "
    "Graviton.",
    cases=Cases(
        compliant=_instance("t4g.small"),
        non_compliant=_instance("m6i.large"),
        not_applicable="V: {Type: AWS::EC2::Volume}",
        edges=(
            (Outcome.COMPLIANT, _instance("inf2.xlarge")),
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Size: {Type: String, Default: c5.large}}
                Resources:
                  L:
                    Type: AWS::EC2::LaunchTemplate
                    Properties: {LaunchTemplateData: {InstanceType: !Ref Size}}
                """,
            ),
        ),
    ),
)
def _ec2_graviton(machine: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = _INSTANCE_TYPE[machine.type]
    applies_if(not _is_windows(machine))
    if not is_old(machine.text(path)):
        yield from graviton_faults(machine, (path,), settings, region=machine.template.region)


def _is_windows(machine: Resource) -> bool:
    """Return whether image or start script are of Windows, which has no Graviton."""
    data = "LaunchTemplateData." if machine.type == "AWS::EC2::LaunchTemplate" else ""
    said = machine.words(f"{data}ImageId") | machine.words(f"{data}UserData")
    for name in machine.mentions(f"{data}ImageId"):
        said.add(str(section(machine.template.body, "Parameters").get(name)))
    return any(_WINDOWS.search(word) for word in said)


@rule(
    "Ec2CurrentGeneration",
    *_INSTANCE_TYPE,
    severity=Severity.ERROR,
    practices=("SUS05-BP02", "SUS06-BP03"),
    what="A virtual machine is not of a generation that newer ones have replaced.",
    why="Old generations use more energy for the same work than those that replaced them.",
    fix="Move to the current generation of the series; to Graviton where the software exists for "
    "arm64.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    note="An error for what the Amazon EC2 Instance Types guide lists among previous generations, "
    "such as m4; a warning for those that it does not list: d2, g2, p2, t2 and x1.",
    cases=Cases(
        compliant=_instance("t4g.small"),
        non_compliant=_instance("t2.micro"),
        not_applicable="V: {Type: AWS::EC2::Volume}",
        edges=(
            (Outcome.COMPLIANT, _instance("t3.micro")),
            (Outcome.UNKNOWN, _instance("!ImportValue size")),
            (Outcome.COMPLIANT, _instance("!Ref AWS::NoValue")),
        ),
    ),
)
def _ec2_current_generation(machine: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = _INSTANCE_TYPE[machine.type]
    yield from old_faults(machine, path, settings, region=machine.template.region)


@rule(
    "EbsGp3",
    "AWS::EC2::Volume",
    *_MAPPINGS,
    "AWS::OpenSearchService::Domain",
    "AWS::RDS::DBInstance",
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS04-BP04"),
    what="A volume is not of type gp2.",
    why="gp2 gets its speed from its size, so volumes are made larger than their data; gp3 "
    "does not.",
    fix="Set the volume type to gp3.",
    evidence="Amazon EBS User Guide, general purpose SSD volumes",
    note="AWS::EC2::Volume without VolumeType is gp2; the others state it.",
    cases=Cases(
        compliant="V: {Type: AWS::EC2::Volume, Properties: {VolumeType: gp3}}",
        non_compliant="V: {Type: AWS::EC2::Volume, Properties: {VolumeType: gp2}}",
        not_applicable="F: {Type: AWS::EFS::FileSystem}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                I:
                  Type: AWS::EC2::Instance
                  Properties:
                    BlockDeviceMappings: [{Ebs: {VolumeType: gp3}}, {Ebs: {VolumeType: gp2}}]
                """,
            ),
            (Outcome.NON_COMPLIANT, "V: {Type: AWS::EC2::Volume, Properties: {Size: 100}}"),
            (Outcome.COMPLIANT, "D: {Type: AWS::RDS::DBInstance, Properties: {Engine: postgres}}"),
        ),
    ),
)
def _ebs_gp3(holder: Resource, _: RuleSettings) -> Iterator[Fault]:
    if holder.type in _MAPPINGS:
        for mapping in holder.each(_MAPPINGS[holder.type]):
            if mapping.text("Ebs.VolumeType") == "gp2":
                yield mapping.fault("Ebs.VolumeType", "gp3")
        return
    path = {
        "AWS::EC2::Volume": "VolumeType",
        "AWS::OpenSearchService::Domain": "EBSOptions.VolumeType",
        "AWS::RDS::DBInstance": "StorageType",
    }[holder.type]
    if holder.text(path, "gp2" if holder.type == "AWS::EC2::Volume" else "") == "gp2":
        yield holder.fault(path, "gp3")


@rule(
    "AutoScalingGroupScales",
    "AWS::AutoScaling::AutoScalingGroup",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="An Auto Scaling group of several machines can shrink.",
    why="With the same minimum and maximum the group runs for its peak at all times.",
    fix="Set MinSize below MaxSize and add a scaling policy or scheduled actions.",
    evidence="Sustainability Pillar: Scale workload infrastructure dynamically",
    note="A group of one instance replaces it when it fails; it does not scale.",
    cases=Cases(
        compliant="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '1', MaxSize: '4'}
            """,
        non_compliant="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '4', MaxSize: '4'}
            """,
        not_applicable="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '1', MaxSize: '1'}
            """,
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Parameters: {Least: {Type: Number}}
                Resources:
                  G:
                    Type: AWS::AutoScaling::AutoScalingGroup
                    Properties: {MinSize: !Ref Least, MaxSize: '4'}
                """,
            ),
        ),
    ),
)
def _group_scales(group: Resource, _: RuleSettings) -> Iterator[Fault]:
    least, most = group.number("MinSize", 0), group.number("MaxSize", 0)
    applies_if(most > 1)
    if least >= most:
        yield group.fault("MinSize", f"less than {most:.0f}")


@rule(
    "StopsAtNight",
    "AWS::EC2::Instance",
    "AWS::RDS::DBInstance",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "SUS02-BP03", "MLSUS03-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development machine or database stops at night and on weekends.",
    why="A working week has 40 to 60 of 168 hours; the rest of the time the machine waits.",
    fix="Stop and start it with EventBridge Scheduler, or tag it for the Instance Scheduler "
    "(key Schedule).",
    evidence="Sustainability Pillar: Scale workload infrastructure dynamically",
    note="Serverless databases pause by themselves.",
    cases=Cases(
        compliant="""
            I: {Type: AWS::EC2::Instance, Properties: {InstanceType: t4g.small}}
            S:
              Type: AWS::Scheduler::Schedule
              Properties:
                ScheduleExpression: cron(0 18 ? * MON-FRI *)
                Target:
                  Arn: arn:aws:scheduler:::aws-sdk:ec2:stopInstances
                  Input: !Sub '{"InstanceIds": ["${I}"]}'
            """,
        non_compliant="I: {Type: AWS::EC2::Instance, Properties: {InstanceType: t4g.small}}",
        not_applicable="""
            D:
              Type: AWS::RDS::DBInstance
              Properties: {DBInstanceClass: db.serverless}
            """,
        edges=(
            (
                Outcome.COMPLIANT,
                """
                D:
                  Type: AWS::RDS::DBInstance
                  Properties: {Tags: [{Key: Schedule, Value: office-hours}]}
                """,
            ),
        ),
    ),
)
def _stops_at_night(machine: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(machine.fragment("DBInstanceClass") != "db.serverless")
    scheduled = any(tag.fragment("Key").lower() == "schedule" for tag in machine.each("Tags"))
    if not scheduled and machine.is_alone(*_SCHEDULES):
        yield machine.fault("", "a schedule that stops it", found="runs day and night")


_SCALERS = (
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::AutoScaling::ScheduledAction",
    "AWS::ECS::CapacityProvider",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EKS::Cluster",
)
_CLUSTER_TAG = "k8s.io/cluster-autoscaler/"


@rule(
    "AutoScalingGroupFollowsLoad",
    "AWS::AutoScaling::AutoScalingGroup",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="Something scales an Auto Scaling group that keeps more than its minimum.",
    why="Without a policy or a schedule the group stays at its desired capacity, day and night.",
    fix="Add a target tracking policy or scheduled actions, or set DesiredCapacity to MinSize.",
    evidence="Amazon EC2 Auto Scaling User Guide, choose your scaling method",
    note="The Cluster Autoscaler and a capacity provider of Amazon ECS scale a group, too. "
    "AutoScalingGroupScales judges a group whose minimum is its maximum.",
    cases=Cases(
        compliant="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '2', MaxSize: '10', DesiredCapacity: '6'}
            P:
              Type: AWS::AutoScaling::ScalingPolicy
              Properties: {AutoScalingGroupName: !Ref G, PolicyType: TargetTrackingScaling}
            """,
        non_compliant="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '2', MaxSize: '10', DesiredCapacity: '6'}
            """,
        not_applicable="""
            G:
              Type: AWS::AutoScaling::AutoScalingGroup
              Properties: {MinSize: '2', MaxSize: '10'}
            """,
        edges=(
            (
                Outcome.NOT_APPLICABLE,
                """
                G:
                  Type: AWS::AutoScaling::AutoScalingGroup
                  Properties:
                    MinSize: '2'
                    MaxSize: '10'
                    DesiredCapacity: '6'
                    Tags: [{Key: k8s.io/cluster-autoscaler/enabled, Value: 'true'}]
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                Resources:
                  G:
                    Type: AWS::AutoScaling::AutoScalingGroup
                    Properties: {MinSize: '2', MaxSize: '10', DesiredCapacity: '6'}
                Outputs: {G: {Value: !Ref G, Export: {Name: group}}}
                """,
            ),
        ),
    ),
)
def _group_follows_load(group: Resource, _: RuleSettings) -> Iterator[Fault]:
    least, most = group.number("MinSize", 0), group.number("MaxSize", 0)
    kept = group.number("DesiredCapacity", least)
    tags = [tag.fragment("Key") for tag in group.each("Tags")]
    applies_if(least < most and kept > least and not any(_CLUSTER_TAG in tag for tag in tags))
    if group.is_alone(*_SCALERS):
        yield group.fault("DesiredCapacity", f"{least:.0f}, or a scaling policy")
