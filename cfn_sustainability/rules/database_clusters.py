"""Amazon RDS and Aurora clusters, Amazon DocumentDB and Neptune: what the cluster itself states."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_faults
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource

_CLUSTER = "AWS::RDS::DBCluster"
_FLOOR_ACU = 2
_SCHEDULES = ("AWS::Scheduler::Schedule", "AWS::Events::Rule", "AWS::SSM::MaintenanceWindowTarget")
_DEVELOPMENT_BACKUP_DAYS = 7


def _cluster(properties: str) -> str:
    return f"D: {{Type: {_CLUSTER}, Properties: {{{properties}}}}}"


def _serverless(scaling: str) -> str:
    return _cluster(f"Engine: aurora-mysql, ServerlessV2ScalingConfiguration: {scaling}")


@rule(
    "DatabaseClusterGraviton",
    _CLUSTER,
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A Multi-AZ database cluster runs on Graviton.",
    why="Its three machines run the same engine on both; Graviton does the work with less energy.",
    fix="Choose a class such as db.m6gd or db.r6gd, which such a cluster takes.",
    evidence="Amazon RDS User Guide, instance classes for Multi-AZ DB clusters",
    note="Of Aurora, DatabaseGraviton judges each instance.",
    cases=Cases(
        compliant=_cluster("Engine: postgres, DBClusterInstanceClass: db.m6gd.large"),
        non_compliant=_cluster("Engine: postgres, DBClusterInstanceClass: db.m5d.large"),
        not_applicable=_cluster("Engine: aurora-postgresql"),
        edges=(
            (
                Outcome.UNKNOWN,
                _cluster("Engine: mysql, DBClusterInstanceClass: !ImportValue size"),
            ),
        ),
    ),
)
def _cluster_graviton(cluster: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(cluster.has("DBClusterInstanceClass"))
    for fault in graviton_faults(cluster, ("DBClusterInstanceClass",), settings):
        yield Fault(fault.path, fault.found, "a Graviton class such as db.m6gd or db.r6gd")


@rule(
    "DatabaseClusterFloorLow",
    _CLUSTER,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01", "MLSUS03-BP01"),
    what="A serverless database falls to a low capacity when it gets no requests.",
    why="The minimum capacity is on around the clock; each unit holds about 2 GiB of memory.",
    fix="Lower MinCapacity to 0.5, or to 0 with SecondsUntilAutoPause; in a cluster of the first "
    "version, enable AutoPause.",
    evidence="Amazon Aurora User Guide, choosing the minimum Aurora Serverless v2 capacity setting",
    note="Up to two units pass; a large cache that must stay warm may need more.",
    cases=Cases(
        compliant=_serverless("{MinCapacity: 0.5, MaxCapacity: 16}"),
        non_compliant=_serverless("{MinCapacity: 8, MaxCapacity: 16}"),
        not_applicable=_cluster("Engine: aurora-mysql"),
        edges=(
            (Outcome.COMPLIANT, _serverless("{MinCapacity: '2', MaxCapacity: 16}")),
            (
                Outcome.NON_COMPLIANT,
                _cluster("EngineMode: serverless, ScalingConfiguration: {AutoPause: false}"),
            ),
            (Outcome.UNKNOWN, _serverless("{MinCapacity: !ImportValue least}")),
        ),
    ),
)
def _cluster_floor(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    first, second = "ScalingConfiguration", "ServerlessV2ScalingConfiguration"
    applies_if(cluster.has(first) or cluster.has(second))
    if cluster.number(f"{second}.MinCapacity", 0) > _FLOOR_ACU:
        yield cluster.fault(f"{second}.MinCapacity", f"at most {_FLOOR_ACU}")
    if cluster.has(first) and not cluster.flag(f"{first}.AutoPause", True):
        yield cluster.fault(f"{first}.AutoPause", "true")


@rule(
    "DatabaseClusterStopsAtNight",
    _CLUSTER,
    "AWS::DocDB::DBCluster",
    "AWS::Neptune::DBCluster",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "SUS02-BP03", "MLSUS03-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development database cluster stops at night and on weekends.",
    why="A working week has 40 to 60 of 168 hours; the rest of the time the cluster waits.",
    fix="Stop and start it with EventBridge Scheduler, or tag it for the Instance Scheduler "
    "(key Schedule).",
    evidence="Sustainability Pillar: Scale workload infrastructure dynamically",
    note="AuroraPauses judges a serverless cluster.",
    cases=Cases(
        compliant=_cluster("Engine: aurora-mysql, Tags: [{Key: Schedule, Value: office}]"),
        non_compliant=_cluster("Engine: aurora-mysql"),
        not_applicable=_serverless("{MinCapacity: 0, MaxCapacity: 2}"),
        edges=(
            (Outcome.NON_COMPLIANT, "D: {Type: AWS::DocDB::DBCluster}"),
            (
                Outcome.COMPLIANT,
                _cluster("Engine: aurora-mysql")
                + """
S:
  Type: AWS::Scheduler::Schedule
  Properties:
    Target: {Arn: "arn:aws:scheduler:::aws-sdk:rds:stopDBCluster", Input: !Sub "${D}"}
""",
            ),
        ),
    ),
)
def _cluster_stops(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(not cluster.has("ServerlessV2ScalingConfiguration"))
    applies_if(not cluster.has("ScalingConfiguration"))
    scheduled = any(tag.fragment("Key").lower() == "schedule" for tag in cluster.each("Tags"))
    if not scheduled and cluster.is_alone(*_SCHEDULES):
        yield cluster.fault("", "a schedule that stops it", found="runs day and night")


@rule(
    "DatabaseBackupsShort",
    _CLUSTER,
    "AWS::RDS::DBInstance",
    "AWS::DocDB::DBCluster",
    "AWS::Neptune::DBCluster",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS04-BP03"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development database keeps its backups for a week at the most.",
    why="Each day of retention keeps a day of changes; in development they can be made again.",
    fix="Set BackupRetentionPeriod to 1.",
    evidence="Sustainability Pillar: Back up data only when difficult to recreate",
    note="One day is the default.",
    cases=Cases(
        compliant=_cluster("BackupRetentionPeriod: 7"),
        non_compliant=_cluster("BackupRetentionPeriod: 35"),
        not_applicable="C: {Type: AWS::ElastiCache::CacheCluster}",
        edges=((Outcome.UNKNOWN, _cluster("BackupRetentionPeriod: !ImportValue days")),),
    ),
)
def _backups_short(database: Resource, _: RuleSettings) -> Iterator[Fault]:
    if database.number("BackupRetentionPeriod", 1) > _DEVELOPMENT_BACKUP_DAYS:
        yield database.fault("BackupRetentionPeriod", f"at most {_DEVELOPMENT_BACKUP_DAYS} days")
