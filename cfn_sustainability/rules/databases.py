"""Amazon RDS, Aurora, DocumentDB, Neptune, ElastiCache, MemoryDB, MSK."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, NotApplicable, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_faults, is_old, takes_graviton
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK

_RDS = "AWS::RDS::DBInstance"
_CLUSTERS = ("AWS::RDS::DBCluster", "AWS::DocDB::DBCluster", "AWS::Neptune::DBCluster")
_ANY_ENGINE = "postgres"  # the widest choice of classes, where a snapshot brings the engine
_CLASSES = ("AWS::RDS::DBInstance", "AWS::DocDB::DBInstance", "AWS::Neptune::DBInstance")
_NODE_TYPE = {
    "AWS::ElastiCache::CacheCluster": "CacheNodeType",
    "AWS::ElastiCache::ReplicationGroup": "CacheNodeType",
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
    note="Only classes that AWS offers for the engine count; a warning where the engine or its "
    "version is not known. Oracle, SQL Server, Db2 and old versions exist for x86 alone.",
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
            (
                Outcome.NOT_APPLICABLE,
                """
                D: {Type: AWS::RDS::DBInstance, Properties: {Engine: mysql, EngineVersion: 5.7.44}}
                """,
            ),
            (Outcome.COMPLIANT, _instance("db.t3.small", "aurora-mysql")),
            (Outcome.UNKNOWN, _instance("!ImportValue size")),
        ),
    ),
)
def _database_graviton(database: Resource, settings: RuleSettings) -> Iterator[Fault]:
    engine, engine_version = _engine(database)
    taken = takes_graviton(engine, engine_version) if engine else None
    applies_if(taken is not False)
    offer = engine if database.type != _RDS else f"rds/{engine or _ANY_ENGINE}"
    yield from graviton_faults(
        database,
        ("DBInstanceClass",),
        settings,
        offer=offer,
        region=database.template.region,
        certain=bool(taken),
    )


def _engine(database: Resource) -> tuple[str, str | None]:
    """Return the engine, empty when it is not known, and its version, None when it is not known.

    A replica has its source's, an instance of a cluster the cluster's.
    """
    engine = {"AWS::DocDB::DBInstance": "docdb", "AWS::Neptune::DBInstance": "neptune"}.get(
        database.type, database.fragment("Engine").lower()
    )
    number = database.fragment("EngineVersion") or None
    for path in ("SourceDBInstanceIdentifier", "DBClusterIdentifier"):
        holder = database.target(path, _RDS, *_CLUSTERS)
        if holder is not None and (not engine or number is None):
            engine = engine or holder.fragment("Engine").lower()
            number = number or holder.fragment("EngineVersion") or None
    return ("" if MARK in engine else engine), (None if number and MARK in number else number)


@rule(
    "CacheGraviton",
    *_NODE_TYPE,
    severity=Severity.ERROR,
    practices=("SUS05-BP02",),
    what="A managed cache or broker runs on Graviton.",
    why="The service runs the same engine on both; a Graviton type does the work with less energy.",
    fix="Choose a type such as cache.r7g, cache.t4g or kafka.m7g.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="A warning where the version is not known; old versions exist for x86 alone, and "
    "MemoryDB for Graviton alone.",
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
                  Properties:
                    KafkaVersion: 3.6.0
                    BrokerNodeGroupInfo: {InstanceType: kafka.m5.large}
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
    kafka = cluster.type == "AWS::MSK::Cluster"
    engine = "kafka" if kafka else cluster.fragment("Engine").lower() or "redis"
    number = cluster.fragment("KafkaVersion" if kafka else "EngineVersion")
    taken = takes_graviton(engine, None if MARK in number else number)
    applies_if(taken is not False or MARK in engine)
    yield from graviton_faults(
        cluster, (path,), settings, region=cluster.template.region, certain=bool(taken)
    )


@rule(
    "DatabaseStandby",
    "AWS::RDS::DBInstance",
    severity=Severity.ERROR,
    practices=("SUS02-BP02",),
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
    what="A serverless development database pauses when it gets no requests.",
    why="With a minimum above zero, Aurora keeps capacity units on at night.",
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


_STORES = {
    **dict.fromkeys(_CLASSES, "DBInstanceClass"),
    "AWS::ElastiCache::CacheCluster": "CacheNodeType",
    "AWS::ElastiCache::ReplicationGroup": "CacheNodeType",
}


@rule(
    "DatabaseCurrentGeneration",
    *_STORES,
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS06-BP03"),
    what="A managed database or cache does not run on a generation that newer ones have replaced.",
    why="Old generations use more energy for the same work than those that replaced them.",
    fix="Move to the current generation of the series.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    note="DatabaseGraviton and CacheGraviton report a class that has a Graviton counterpart.",
    cases=Cases(
        compliant=_instance("db.t3.small", "sqlserver-ex"),
        non_compliant=_instance("db.t2.small", "sqlserver-ex"),
        not_applicable="D: {Type: AWS::RDS::DBCluster}",
        edges=(
            (Outcome.COMPLIANT, _instance("db.m4.large")),
            (
                Outcome.NON_COMPLIANT,
                "C: {Type: AWS::ElastiCache::CacheCluster, "
                "Properties: {Engine: memcached, CacheNodeType: cache.m3.medium}}",
            ),
            (Outcome.UNKNOWN, _instance("!ImportValue size", "oracle-ee")),
        ),
    ),
)
def _database_generation(database: Resource, settings: RuleSettings) -> Iterator[Fault]:
    path = _STORES[database.type]
    name = database.text(path)
    if not is_old(name) or name in settings.allowed_instances:
        return
    graviton = _database_graviton if path == "DBInstanceClass" else _cache_graviton
    try:
        reported = any(graviton.check(database, settings))
    except NotApplicable:
        reported = False
    if not reported:
        yield database.fault(path, "a newer generation")


_GROWN_GIB = 500


@rule(
    "DatabaseStorageGrows",
    _RDS,
    severity=Severity.WARNING,
    practices=("SUS04-BP04",),
    what="The storage of a database grows with its data.",
    why="RDS cannot shrink a volume, so what is allocated for years to come is stored from the "
    "first day.",
    fix="Set AllocatedStorage to what the data needs now, and MaxAllocatedStorage to the limit.",
    evidence="Amazon RDS User Guide, managing capacity automatically with storage autoscaling",
    note="Up to 500 GiB pass. Aurora grows by itself.",
    cases=Cases(
        compliant="""
            D:
              Type: AWS::RDS::DBInstance
              Properties: {Engine: mysql, AllocatedStorage: '600', MaxAllocatedStorage: 2000}
            """,
        non_compliant="""
            D:
              Type: AWS::RDS::DBInstance
              Properties: {Engine: mysql, AllocatedStorage: '2000'}
            """,
        not_applicable="D: {Type: AWS::RDS::DBInstance, Properties: {Engine: aurora-mysql}}",
        edges=(
            (
                Outcome.COMPLIANT,
                "D: {Type: AWS::RDS::DBInstance, "
                "Properties: {Engine: mysql, AllocatedStorage: '500'}}",
            ),
        ),
    ),
)
def _database_storage(database: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(not database.fragment("Engine").startswith("aurora"))
    large = database.number("AllocatedStorage", 0) > _GROWN_GIB
    if large and not database.has("MaxAllocatedStorage"):
        yield database.fault("MaxAllocatedStorage", "storage that grows")
