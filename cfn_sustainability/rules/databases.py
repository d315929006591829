"""Amazon RDS, Aurora, DocumentDB, Neptune, ElastiCache, MemoryDB, MSK."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_faults
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource

_X86_ENGINES = ("oracle", "sqlserver", "db2", "custom")
_CLASSES = ("AWS::RDS::DBInstance", "AWS::DocDB::DBInstance", "AWS::Neptune::DBInstance")
_NODE_TYPE = {
    "AWS::ElastiCache::CacheCluster": "CacheNodeType",
    "AWS::ElastiCache::ReplicationGroup": "CacheNodeType",
    "AWS::MemoryDB::Cluster": "NodeType",
    "AWS::MSK::Cluster": "BrokerNodeGroupInfo.InstanceType",
}


def _instance(name: str, engine: str = "postgres") -> str:
    return f"""
D: {{Type: AWS::RDS::DBInstance, Properties: {{Engine: {engine}, DBInstanceClass: {name}}}}}
"""


@rule(
    "DatabaseGraviton",
    *_CLASSES,
    severity=Severity.ERROR,
    practices=("SUS05-BP02",),
    what="A managed database runs on Graviton.",
    why="The service runs the same engine on both; a Graviton class does the work with less "
    "energy.",
    fix="Choose a class such as db.r7g, db.m7g or db.t4g.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Oracle, SQL Server and Db2 exist for x86 alone.",
    cases=Cases(
        compliant=_instance("db.m7g.large"),
        non_compliant=_instance("db.r5.large"),
        not_applicable=_instance("db.m5.large", "sqlserver-ex"),
        edges=(
            (Outcome.COMPLIANT, _instance("db.serverless")),
            (Outcome.COMPLIANT, _instance("db.x2g.large")),
            (
                Outcome.NON_COMPLIANT,
                "D: {Type: AWS::DocDB::DBInstance, Properties: {DBInstanceClass: db.t3.medium}}",
            ),
            (Outcome.UNKNOWN, _instance("!ImportValue size")),
        ),
    ),
)
def _database_graviton(database: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(not database.fragment("Engine").startswith(_X86_ENGINES))
    yield from graviton_faults(database, ("DBInstanceClass",), settings)


@rule(
    "CacheGraviton",
    *_NODE_TYPE,
    severity=Severity.ERROR,
    practices=("SUS05-BP02",),
    what="A managed cache or broker runs on Graviton.",
    why="The service runs the same engine on both; a Graviton type does the work with less energy.",
    fix="Choose a type such as cache.r7g, cache.t4g, db.r7g or kafka.m7g.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Kafka's small kafka.t3 has no Graviton counterpart.",
    cases=Cases(
        compliant="""
            C:
              Type: AWS::ElastiCache::CacheCluster
              Properties: {CacheNodeType: cache.t4g.micro}
            """,
        non_compliant="""
            C:
              Type: AWS::ElastiCache::ReplicationGroup
              Properties: {CacheNodeType: cache.r5.large}
            """,
        not_applicable="C: {Type: AWS::ElastiCache::ServerlessCache}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                M:
                  Type: AWS::MSK::Cluster
                  Properties: {BrokerNodeGroupInfo: {InstanceType: kafka.m5.large}}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                M:
                  Type: AWS::MSK::Cluster
                  Properties: {BrokerNodeGroupInfo: {InstanceType: kafka.t3.small}}
                """,
            ),
        ),
    ),
)
def _cache_graviton(cluster: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = _NODE_TYPE[cluster.type]
    if not cluster.text(path).startswith("kafka.t3."):
        yield from graviton_faults(cluster, (path,), settings)


@rule(
    "DatabaseStandby",
    "AWS::RDS::DBInstance",
    severity=Severity.ERROR,
    practices=("SUS02-BP02", "MLSUS05-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development database has no standby.",
    why="MultiAZ runs a second instance that answers nothing until the first fails.",
    fix="Set MultiAZ to false.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="A single zone is the default.",
    cases=Cases(
        compliant="D: {Type: AWS::RDS::DBInstance, Properties: {MultiAZ: false}}",
        non_compliant="D: {Type: AWS::RDS::DBInstance, Properties: {MultiAZ: true}}",
        not_applicable="D: {Type: AWS::RDS::DBCluster}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                Parameters: {Spare: {Type: String, Default: 'true'}}
                Resources: {D: {Type: AWS::RDS::DBInstance, Properties: {MultiAZ: !Ref Spare}}}
                """,
            ),
        ),
    ),
)
def _database_standby(database: Resource, _: RuleSettings) -> Iterator[Fault]:
    if database.flag("MultiAZ"):
        yield database.fault("MultiAZ", "false")


@rule(
    "AuroraPauses",
    "AWS::RDS::DBCluster",
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "SUS02-BP01", "MLSUS03-BP01"),
    profiles=(Profile.DEVELOPMENT,),
    what="A serverless development database pauses when nobody asks.",
    why="With a minimum above zero its capacity units stay on at night.",
    fix="Set ServerlessV2ScalingConfiguration.MinCapacity to 0, with SecondsUntilAutoPause.",
    evidence="Amazon Aurora User Guide, scaling to zero with automatic pause and resume",
    note="In production a resume of some seconds may be too long.",
    cases=Cases(
        compliant="""
            D:
              Type: AWS::RDS::DBCluster
              Properties: {ServerlessV2ScalingConfiguration: {MinCapacity: 0, MaxCapacity: 2}}
            """,
        non_compliant="""
            D:
              Type: AWS::RDS::DBCluster
              Properties: {ServerlessV2ScalingConfiguration: {MinCapacity: 0.5, MaxCapacity: 2}}
            """,
        not_applicable="D: {Type: AWS::RDS::DBCluster, Properties: {Engine: aurora-postgresql}}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::RDS::DBCluster
                  Properties: {ServerlessV2ScalingConfiguration: {MinCapacity: '0.5'}}
                """,
            ),
        ),
    ),
)
def _aurora_pauses(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    path = "ServerlessV2ScalingConfiguration.MinCapacity"
    applies_if(cluster.has("ServerlessV2ScalingConfiguration"))
    if cluster.number(path, 0.5) > 0:
        yield cluster.fault(path, "0")
