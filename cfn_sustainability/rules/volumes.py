"""Amazon EBS and EFS: speed that is provisioned apart from size."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_GP3_IOPS = 16_000
"""What a gp3 volume of EBS and of RDS can have in every Region; newer limits are higher."""
_MAPPED = {
    "AWS::EC2::Instance": "BlockDeviceMappings",
    "AWS::EC2::LaunchTemplate": "LaunchTemplateData.BlockDeviceMappings",
    "AWS::AutoScaling::LaunchConfiguration": "BlockDeviceMappings",
}
_OWN = {
    "AWS::EC2::Volume": ("VolumeType", "Iops"),
    "AWS::OpenSearchService::Domain": ("EBSOptions.VolumeType", "EBSOptions.Iops"),
    "AWS::Elasticsearch::Domain": ("EBSOptions.VolumeType", "EBSOptions.Iops"),
    "AWS::RDS::DBInstance": ("StorageType", "Iops"),
    "AWS::RDS::DBCluster": ("StorageType", "Iops"),
}


def _launch(mapping: str) -> str:
    return f"""
L:
  Type: AWS::EC2::LaunchTemplate
  Properties: {{LaunchTemplateData: {{BlockDeviceMappings: [{mapping}]}}}}
"""


def _volume(properties: str) -> str:
    return f"V: {{Type: AWS::EC2::Volume, Properties: {{{properties}}}}}"


def _volumes(holder: Resource) -> list[tuple[Properties, str, str]]:
    """Return each volume of a resource with the paths to its type and its IOPS."""
    if holder.type in _OWN:
        return [(holder, *_OWN[holder.type])]
    mappings = [m for m in holder.each(_MAPPED[holder.type]) if m.has("Ebs")]
    return [(mapping, "Ebs.VolumeType", "Ebs.Iops") for mapping in mappings]


@rule(
    "VolumeIopsByGp3",
    *_OWN,
    *_MAPPED,
    severity=Severity.WARNING,
    practices=("SUS04-BP02", "SUS05-BP01"),
    what="A volume has no reserved IOPS that gp3 has as well.",
    why="io1 and io2 reserve each IOPS around the clock; gp3 has 3,000 from the start, and up to "
    "16,000 everywhere.",
    fix="Set the volume type to gp3 with the same IOPS; keep io2 where its durability or its "
    "latency is needed.",
    evidence="Amazon EBS User Guide, general purpose SSD volumes",
    note="More than 16,000 IOPS and volumes of several machines are left alone, and io2 above "
    "what gp3 has from the start.",
    cases=Cases(
        compliant=_volume("VolumeType: gp3, Iops: 6000"),
        non_compliant=_volume("VolumeType: io1, Iops: 6000"),
        not_applicable=_volume("VolumeType: io1, Iops: 6000, MultiAttachEnabled: true"),
        edges=(
            (Outcome.COMPLIANT, _volume("VolumeType: io1, Iops: 16001")),
            (Outcome.NON_COMPLIANT, _volume("VolumeType: io2, Iops: '3000'")),
            (Outcome.COMPLIANT, _volume("VolumeType: io2, Iops: 3001")),
            (Outcome.UNKNOWN, _volume("VolumeType: io1, Iops: !ImportValue speed")),
            (Outcome.NON_COMPLIANT, _launch("{Ebs: {VolumeType: io1, Iops: 100}}")),
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::RDS::DBCluster
                  Properties: {Engine: mysql, StorageType: io1, Iops: 3000}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                D:
                  Type: AWS::RDS::DBCluster
                  Properties: {Engine: aurora-mysql, StorageType: aurora-iopt1}
                """,
            ),
        ),
    ),
)
def _volume_iops(holder: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(holder.type != "AWS::EC2::Volume" or not holder.flag("MultiAttachEnabled"))
    most = {"io1": _GP3_IOPS, "io2": 3000}
    for volume, kind, iops in _volumes(holder):
        name = volume.text(kind)
        if name in most and volume.number(iops, 0) <= most[name]:
            yield volume.fault(kind, "gp3")


@rule(
    "VolumeTypeStated",
    *_MAPPED,
    "AWS::Elasticsearch::Domain",
    severity=Severity.WARNING,
    practices=("SUS04-BP02", "SUS04-BP04"),
    what="A volume of a machine or of a search domain states that it is gp3.",
    why="Without a type it gets what its image was made with, or gp2; the magnetic volumes of "
    "before are slower still.",
    fix="Set the volume type to gp3.",
    evidence="Amazon EBS User Guide, volume types; Amazon EC2 User Guide, block device mappings",
    note="A volume from a snapshot passes. EbsGp3 judges a stated gp2 of a machine.",
    cases=Cases(
        compliant=_launch("{DeviceName: /dev/xvda, Ebs: {VolumeSize: 100, VolumeType: gp3}}"),
        non_compliant=_launch("{DeviceName: /dev/xvda, Ebs: {VolumeSize: 100}}"),
        not_applicable=_launch("{DeviceName: /dev/xvdb, VirtualName: ephemeral0}"),
        edges=(
            (Outcome.NON_COMPLIANT, _launch("{Ebs: {VolumeSize: 20, VolumeType: standard}}")),
            (Outcome.COMPLIANT, _launch("{Ebs: {VolumeSize: 20, VolumeType: st1}}")),
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::Elasticsearch::Domain
                  Properties: {EBSOptions: {EBSEnabled: true, VolumeSize: 10, VolumeType: gp2}}
                """,
            ),
            (Outcome.UNKNOWN, _launch("{Ebs: {VolumeSize: 20, VolumeType: !ImportValue kind}}")),
        ),
    ),
)
def _volume_type_stated(holder: Resource, _: RuleSettings) -> Iterator[Fault]:
    search = holder.type == "AWS::Elasticsearch::Domain"
    applies_if(not search or holder.flag("EBSOptions.EBSEnabled"))
    volumes = _volumes(holder)
    applies_if(bool(volumes))
    for volume, kind, _iops in volumes:
        name = volume.text(kind)
        poor = ("", "standard", "gp2") if search else ("", "standard")
        if name in poor and not volume.has("Ebs.SnapshotId"):
            yield volume.fault(kind, "gp3")


@rule(
    "FileSystemThroughputElastic",
    "AWS::EFS::FileSystem",
    severity=Severity.WARNING,
    practices=("SUS04-BP02", "SUS02-BP01"),
    what="A file system's throughput follows its use.",
    why="Provisioned throughput is reserved around the clock, whether or not anybody reads.",
    fix="Set ThroughputMode to elastic.",
    evidence="Amazon EFS User Guide, throughput modes",
    note="Where a steady load uses more than about 5 % of it, provisioned throughput may be the "
    "cheaper one.",
    cases=Cases(
        compliant="F: {Type: AWS::EFS::FileSystem, Properties: {ThroughputMode: elastic}}",
        non_compliant="""
            F:
              Type: AWS::EFS::FileSystem
              Properties: {ThroughputMode: provisioned, ProvisionedThroughputInMibps: 100}
            """,
        not_applicable="F: {Type: AWS::EFS::AccessPoint}",
        edges=(
            (Outcome.COMPLIANT, "F: {Type: AWS::EFS::FileSystem}"),
            (
                Outcome.UNKNOWN,
                "F: {Type: AWS::EFS::FileSystem, Properties: {ThroughputMode: !ImportValue mode}}",
            ),
        ),
    ),
)
def _file_system_throughput(system: Resource, _: RuleSettings) -> Iterator[Fault]:
    if system.text("ThroughputMode") == "provisioned":
        yield system.fault("ThroughputMode", "elastic")


_ATTACHES = (
    "AWS::EC2::VolumeAttachment",
    "AWS::EC2::Instance",
    "AWS::ECS::TaskDefinition",
    "AWS::ECS::Service",
    "AWS::Lambda::Function",
    "AWS::SSM::Association",
)


@rule(
    "VolumeAttached",
    "AWS::EC2::Volume",
    severity=Severity.WARNING,
    practices=("SUS03-BP02", "SUS02-BP03", "SUS04-BP04"),
    what="An EBS volume is attached to an instance.",
    why="A volume that nothing uses is stored in full, and charged as one that is in use.",
    fix="Attach it with AWS::EC2::VolumeAttachment, or delete it and keep a snapshot.",
    evidence="Sustainability Pillar: Remove or refactor workload components with low or no use",
    note="A driver in a cluster, such as the EBS CSI driver, may attach a volume that no template "
    "attaches: acknowledge it there.",
    cases=Cases(
        compliant=_volume("VolumeType: gp3, Size: 10")
        + """
A:
  Type: AWS::EC2::VolumeAttachment
  Properties: {VolumeId: !Ref V, InstanceId: i-1, Device: /dev/sdf}
""",
        non_compliant=_volume("VolumeType: gp3, Size: 10"),
        not_applicable="F: {Type: AWS::EFS::FileSystem}",
        edges=(
            (
                Outcome.UNKNOWN,
                """
                Resources: {V: {Type: AWS::EC2::Volume, Properties: {Size: 10}}}
                Outputs: {Volume: {Value: !Ref V, Export: {Name: data}}}
                """,
            ),
        ),
    ),
)
def _volume_attached(volume: Resource, _: RuleSettings) -> Iterator[Fault]:
    if volume.is_alone(*_ATTACHES):
        yield volume.fault("", "an attachment", found="is attached to nothing")
