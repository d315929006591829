"""Clusters for analytics and search: Amazon Redshift, Amazon EMR, AWS Glue, old domains."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_example, has_graviton_sibling
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import Undecidable

_EMR = "AWS::EMR::Cluster"
_REDSHIFT = "AWS::Redshift::Cluster"
_GROUPS = ("MasterInstanceGroup", "CoreInstanceGroup")
_FLEETS = ("MasterInstanceFleet", "CoreInstanceFleet")
_DEFAULT_RPU = 128
_ELASTICSEARCH = re.compile(r"Elasticsearch_(\d+)\.(\d+)")
_LAST_ELASTICSEARCH = (7, 10)


def _cluster(properties: str) -> str:
    return f"C: {{Type: {_EMR}, Properties: {{ReleaseLabel: emr-7.5.0, {properties}}}}}"


def _warehouse(node: str, more: str = "") -> str:
    return f"W: {{Type: {_REDSHIFT}, Properties: {{NodeType: {node}{more}}}}}"


def _glue(version: str, command: str = "glueetl") -> str:
    return f"""
J:
  Type: AWS::Glue::Job
  Properties: {{Command: {{Name: {command}}}, GlueVersion: {version}}}
"""


@rule(
    "RedshiftCurrentNodes",
    _REDSHIFT,
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS06-BP03"),
    what="A data warehouse runs on current nodes.",
    why="Nodes of the dc and ds series join computing and disks, so one is bought with the other; "
    "RA3 and RG keep data in S3 and size the computing by itself.",
    fix="Resize to ra3 or rg nodes, or use Redshift Serverless.",
    evidence="Amazon Redshift Management Guide, Amazon Redshift provisioned clusters",
    note="How many nodes are needed afterwards has to be measured.",
    cases=Cases(
        compliant=_warehouse("ra3.large"),
        non_compliant=_warehouse("dc2.large"),
        not_applicable="W: {Type: AWS::RedshiftServerless::Workgroup}",
        edges=(
            (Outcome.NON_COMPLIANT, _warehouse("ds2.xlarge")),
            (Outcome.COMPLIANT, _warehouse("rg.xlarge")),
            (Outcome.UNKNOWN, _warehouse("!ImportValue node")),
        ),
    ),
)
def _redshift_nodes(cluster: Resource, settings: RuleSettings) -> Iterator[Fault]:
    name = cluster.text("NodeType")
    if name.startswith(("dc", "ds")) and name not in settings.allowed_instances:
        yield cluster.fault("NodeType", "a type of ra3 or rg")


@rule(
    "RedshiftPauses",
    _REDSHIFT,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "SUS02-BP03"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development data warehouse pauses at night and on weekends.",
    why="A working week has 40 to 60 of 168 hours; the rest of the time its nodes wait.",
    fix="Add an AWS::Redshift::ScheduledAction with PauseCluster, or use Redshift Serverless.",
    evidence="Amazon Redshift Management Guide, pausing and resuming a cluster",
    note="The rule does not check that something resumes the cluster.",
    cases=Cases(
        compliant=_warehouse("ra3.large")
        + """
N:
  Type: AWS::Redshift::ScheduledAction
  Properties: {TargetAction: {PauseCluster: {ClusterIdentifier: !Ref W}}}
""",
        non_compliant=_warehouse("ra3.large"),
        not_applicable="W: {Type: AWS::RedshiftServerless::Workgroup}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _warehouse("ra3.large")
                + """
N:
  Type: AWS::Redshift::ScheduledAction
  Properties: {TargetAction: {ResizeCluster: {ClusterIdentifier: !Ref W}}}
""",
            ),
        ),
    ),
)
def _redshift_pauses(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    actions = cluster.referrers("AWS::Redshift::ScheduledAction", at="TargetAction")
    if not any(action.has("TargetAction.PauseCluster") for action in actions):
        if cluster.is_shared:
            raise Undecidable
        yield cluster.fault("", "a scheduled pause", found="runs day and night")


@rule(
    "RedshiftServerlessStartsSmall",
    "AWS::RedshiftServerless::Workgroup",
    severity=Severity.WARNING,
    practices=("SUS05-BP01", "SUS02-BP01"),
    what="A serverless data warehouse starts below the default capacity.",
    why="Each query starts with the base capacity, 128 units by default, for a minute at least.",
    fix="Set BaseCapacity to what the usual query needs, such as 8 or 32.",
    evidence="Amazon Redshift Management Guide, compute capacity for Amazon Redshift Serverless",
    note="With a price-performance target the service chooses.",
    cases=Cases(
        compliant="""
            W:
              Type: AWS::RedshiftServerless::Workgroup
              Properties: {WorkgroupName: w, BaseCapacity: 32}
            """,
        non_compliant="""
            W: {Type: AWS::RedshiftServerless::Workgroup, Properties: {WorkgroupName: w}}
            """,
        not_applicable="""
            W:
              Type: AWS::RedshiftServerless::Workgroup
              Properties: {PricePerformanceTarget: {Status: ENABLED, Level: 50}}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                W:
                  Type: AWS::RedshiftServerless::Workgroup
                  Properties: {BaseCapacity: '256'}
                """,
            ),
        ),
    ),
)
def _redshift_serverless(workgroup: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(workgroup.text("PricePerformanceTarget.Status") != "ENABLED")
    if workgroup.number("BaseCapacity", _DEFAULT_RPU) >= _DEFAULT_RPU:
        yield workgroup.fault("BaseCapacity", f"less than {_DEFAULT_RPU}")


@rule(
    "EmrClusterEnds",
    _EMR,
    severity=Severity.WARNING,
    practices=("SUS02-BP03", "MLSUS03-BP01", "SUS03-BP02"),
    what="An EMR cluster ends when it has nothing to do.",
    why="A cluster that stays alive after its steps keeps all of its machines on.",
    fix="Set AutoTerminationPolicy.IdleTimeout, or KeepJobFlowAliveWhenNoSteps to false.",
    evidence="Amazon EMR Management Guide, using an auto-termination policy",
    note="A cluster without steps waits for work that others submit.",
    cases=Cases(
        compliant=_cluster("AutoTerminationPolicy: {IdleTimeout: 3600}"),
        non_compliant=_cluster("Instances: {KeepJobFlowAliveWhenNoSteps: true}"),
        not_applicable="C: {Type: AWS::EMRServerless::Application}",
        edges=(
            (Outcome.COMPLIANT, _cluster("Steps: [{Name: count}]")),
            (Outcome.NON_COMPLIANT, _cluster("Applications: [{Name: Spark}]")),
            (
                Outcome.UNKNOWN,
                _cluster("Instances: {KeepJobFlowAliveWhenNoSteps: !ImportValue kept}"),
            ),
        ),
    ),
)
def _emr_ends(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    if cluster.has("AutoTerminationPolicy.IdleTimeout"):
        return
    path = "Instances.KeepJobFlowAliveWhenNoSteps"
    if cluster.flag(path, not cluster.each("Steps")):
        yield cluster.fault(path, "an AutoTerminationPolicy", found="keeps the cluster on")


@rule(
    "EmrScales",
    _EMR,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS02-BP01"),
    what="An EMR cluster of several core nodes scales with its work.",
    why="A fixed number is sized for the widest step, and idles in the others.",
    fix="Set ManagedScalingPolicy, or an AutoScalingPolicy of the group.",
    evidence="Amazon EMR Management Guide, using managed scaling",
    note="Up to two core nodes have little to give back.",
    cases=Cases(
        compliant=_cluster(
            "Instances: {CoreInstanceGroup: {InstanceCount: 10, InstanceType: m7g.xlarge}}, "
            "ManagedScalingPolicy: {ComputeLimits: {MinimumCapacityUnits: 2, "
            "MaximumCapacityUnits: 10, UnitType: Instances}}"
        ),
        non_compliant=_cluster(
            "Instances: {CoreInstanceGroup: {InstanceCount: 10, InstanceType: m7g.xlarge}}"
        ),
        not_applicable=_cluster(
            "Instances: {CoreInstanceGroup: {InstanceCount: 2, InstanceType: m7g.xlarge}}"
        ),
        edges=(
            (
                Outcome.COMPLIANT,
                _cluster(
                    "Instances: {CoreInstanceGroup: {InstanceCount: 9, AutoScalingPolicy: {}}}"
                ),
            ),
            (
                Outcome.NON_COMPLIANT,
                _cluster("Instances: {CoreInstanceFleet: {TargetOnDemandCapacity: '8'}}"),
            ),
        ),
    ),
)
def _emr_scales(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    group, fleet = "Instances.CoreInstanceGroup", "Instances.CoreInstanceFleet"
    nodes = cluster.number(f"{group}.InstanceCount", 0)
    nodes += cluster.number(f"{fleet}.TargetOnDemandCapacity", 0)
    nodes += cluster.number(f"{fleet}.TargetSpotCapacity", 0)
    applies_if(nodes > 2)
    scaled = cluster.has("ManagedScalingPolicy") or cluster.has(f"{group}.AutoScalingPolicy")
    if not scaled:
        found = f"keeps {nodes:.0f} core nodes or units"
        yield cluster.fault("ManagedScalingPolicy", "limits between which it scales", found=found)


def _emr_machines(cluster: Resource) -> list[tuple[Properties, str]]:
    """Return what names an instance type in a cluster, with the path to the name."""
    instances = cluster.section("Instances")
    found = [(instances, f"{name}.InstanceType") for name in _GROUPS]
    found += [(group, "InstanceType") for group in instances.each("TaskInstanceGroups")]
    fleets = [instances.section(name) for name in _FLEETS]
    for fleet in (*fleets, *instances.each("TaskInstanceFleets")):
        found += [(entry, "InstanceType") for entry in fleet.each("InstanceTypeConfigs")]
    return found


@rule(
    "EmrGraviton",
    _EMR,
    "AWS::EMR::InstanceGroupConfig",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="The machines of an EMR cluster run on Graviton.",
    why="Spark and Hive run on both; Graviton does the work with less energy.",
    fix="Choose m7g, r7g or c7g, and build native dependencies for aarch64.",
    evidence="Amazon EMR Management Guide, supported instance types",
    note="Which release takes which type, the guide tells.",
    cases=Cases(
        compliant=_cluster("Instances: {CoreInstanceGroup: {InstanceType: m7g.xlarge}}"),
        non_compliant=_cluster("Instances: {CoreInstanceGroup: {InstanceType: m5.xlarge}}"),
        not_applicable="C: {Type: AWS::EMRServerless::Application}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _cluster(
                    "Instances: {CoreInstanceFleet: {InstanceTypeConfigs: "
                    "[{InstanceType: m7g.xlarge}, {InstanceType: r5.xlarge}]}}"
                ),
            ),
            (
                Outcome.NON_COMPLIANT,
                """
                G:
                  Type: AWS::EMR::InstanceGroupConfig
                  Properties: {InstanceRole: TASK, InstanceType: c5.xlarge}
                """,
            ),
            (
                Outcome.COMPLIANT,
                _cluster("Instances: {MasterInstanceGroup: {InstanceType: g5.xlarge}}"),
            ),
        ),
    ),
)
def _emr_graviton(cluster: Resource, settings: RuleSettings) -> Iterator[Fault]:
    machines = [(cluster, "InstanceType")] if cluster.type != _EMR else _emr_machines(cluster)
    for holder, path in machines:
        name = holder.text(path)
        if has_graviton_sibling(name) and name not in settings.allowed_instances:
            yield holder.fault(path, f"a Graviton type such as {graviton_example(name)}")


@rule(
    "GlueVersionCurrent",
    "AWS::Glue::Job",
    severity=Severity.WARNING,
    practices=("SUS06-BP03", "GENSUS02-BP01"),
    what="A job on Glue runs on version 3.0 or later.",
    why="Older versions start for minutes, bill ten of them at least, and cannot scale.",
    fix="Set GlueVersion to 5.0 and test the script with its Spark.",
    evidence="AWS Glue Developer Guide, AWS Glue versions",
    note="A job that states no version gets the service's choice.",
    cases=Cases(
        compliant=_glue("'5.0'"),
        non_compliant=_glue("'2.0'"),
        not_applicable=_glue("'1.0'", "pythonshell"),
        edges=(
            (Outcome.NON_COMPLIANT, _glue("0.9")),
            (Outcome.COMPLIANT, _glue("'3.0'")),
            (Outcome.NOT_APPLICABLE, "J: {Type: AWS::Glue::Job, Properties: {Command: {}}}"),
            (Outcome.UNKNOWN, _glue("!ImportValue version")),
        ),
    ),
)
def _glue_version(job: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(job.has("GlueVersion") and job.fragment("Command.Name") != "pythonshell")
    if job.number("GlueVersion", 0) < 3:
        yield job.fault("GlueVersion", "5.0")


@rule(
    "SearchEngineCurrent",
    "AWS::Elasticsearch::Domain",
    "AWS::OpenSearchService::Domain",
    severity=Severity.WARNING,
    practices=("SUS06-BP03", "SUS05-BP02"),
    what="A search domain runs OpenSearch.",
    why="Elasticsearch ended at 7.10 in this service; compressed vectors, the or series and the "
    "better indexes exist for OpenSearch alone, and most old versions for x86 alone.",
    fix="Upgrade the engine and declare an AWS::OpenSearchService::Domain.",
    evidence="Amazon OpenSearch Service Developer Guide, upgrading domains",
    note="Elasticsearch 7.10 passes as an engine, if it is declared as the newer type.",
    cases=Cases(
        compliant="""
            D:
              Type: AWS::OpenSearchService::Domain
              Properties: {EngineVersion: OpenSearch_2.19}
            """,
        non_compliant="""
            D: {Type: AWS::Elasticsearch::Domain, Properties: {ElasticsearchVersion: '6.8'}}
            """,
        not_applicable="D: {Type: AWS::OpenSearchServerless::Collection}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::OpenSearchService::Domain
                  Properties: {EngineVersion: Elasticsearch_6.8}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                D:
                  Type: AWS::OpenSearchService::Domain
                  Properties: {EngineVersion: Elasticsearch_7.10}
                """,
            ),
            (Outcome.COMPLIANT, "D: {Type: AWS::OpenSearchService::Domain}"),
        ),
    ),
)
def _search_engine(domain: Resource, _: RuleSettings) -> Iterator[Fault]:
    if domain.type == "AWS::Elasticsearch::Domain":
        yield domain.fault("", "an AWS::OpenSearchService::Domain", found="is of the old type")
        return
    version = _ELASTICSEARCH.fullmatch(domain.text("EngineVersion"))
    if version and (int(version[1]), int(version[2])) < _LAST_ELASTICSEARCH:
        yield domain.fault("EngineVersion", "OpenSearch")


@rule(
    "ElasticsearchGraviton",
    "AWS::Elasticsearch::Domain",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A search domain of the old type runs on Graviton.",
    why="The service runs the same engine on both; a Graviton type does the work with less energy.",
    fix="Upgrade to Elasticsearch 7.10 or OpenSearch, then choose r7g, m7g or c7g.",
    evidence="Amazon OpenSearch Service Developer Guide, supported instance types",
    note="Below version 7.9 there is no Graviton; the small t3 has no counterpart.",
    cases=Cases(
        compliant="""
            D:
              Type: AWS::Elasticsearch::Domain
              Properties: {ElasticsearchClusterConfig: {InstanceType: m6g.large.elasticsearch}}
            """,
        non_compliant="""
            D:
              Type: AWS::Elasticsearch::Domain
              Properties: {ElasticsearchClusterConfig: {InstanceType: m4.large.elasticsearch}}
            """,
        not_applicable="D: {Type: AWS::OpenSearchService::Domain}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                D:
                  Type: AWS::Elasticsearch::Domain
                  Properties: {ElasticsearchClusterConfig: {InstanceType: t3.small.elasticsearch}}
                """,
            ),
        ),
    ),
)
def _elasticsearch_graviton(domain: Resource, settings: RuleSettings) -> Iterator[Fault]:
    for path in ("InstanceType", "DedicatedMasterType"):
        name = domain.text(f"ElasticsearchClusterConfig.{path}")
        if name.startswith(("t2.", "t3.")) or name in settings.allowed_instances:
            continue
        if has_graviton_sibling(name):
            yield domain.fault(f"ElasticsearchClusterConfig.{path}", graviton_example(name))


@rule(
    "ElasticsearchStandby",
    "AWS::Elasticsearch::Domain",
    severity=Severity.WARNING,
    practices=("SUS02-BP02",),
    profiles=(Profile.DEVELOPMENT,),
    what="A development domain of the old type has no dedicated masters and one zone.",
    why="Masters answer no search, and a second zone holds every shard again; both guard uptime "
    "alone.",
    fix="Set DedicatedMasterEnabled and ZoneAwarenessEnabled to false.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="Both are off by default.",
    cases=Cases(
        compliant="D: {Type: AWS::Elasticsearch::Domain}",
        non_compliant="""
            D:
              Type: AWS::Elasticsearch::Domain
              Properties: {ElasticsearchClusterConfig: {DedicatedMasterEnabled: true}}
            """,
        not_applicable="D: {Type: AWS::OpenSearchService::Domain}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                D:
                  Type: AWS::Elasticsearch::Domain
                  Properties: {ElasticsearchClusterConfig: {ZoneAwarenessEnabled: 'true'}}
                """,
            ),
        ),
    ),
)
def _elasticsearch_standby(domain: Resource, _: RuleSettings) -> Iterator[Fault]:
    for key in ("DedicatedMasterEnabled", "ZoneAwarenessEnabled"):
        if domain.flag(f"ElasticsearchClusterConfig.{key}"):
            yield domain.fault(f"ElasticsearchClusterConfig.{key}", "false")


@rule(
    "GlueEndpointEnds",
    "AWS::Glue::DevEndpoint",
    severity=Severity.WARNING,
    practices=("SUS02-BP03", "MLSUS03-BP01"),
    what="Scripts for Glue are developed in sessions that end.",
    why="A development endpoint keeps five workers on until somebody deletes it.",
    fix="Use interactive sessions of Glue, which stop when they are idle.",
    evidence="AWS Glue Developer Guide, interactive sessions",
    note="How many workers, the template may say.",
    cases=Cases(
        compliant="E: {Type: AWS::Glue::DevEndpoint, Properties: {NumberOfNodes: 0}}",
        non_compliant="E: {Type: AWS::Glue::DevEndpoint, Properties: {RoleArn: r}}",
        not_applicable="E: {Type: AWS::Glue::Job}",
        edges=(
            (Outcome.UNKNOWN, "E: {Type: AWS::Glue::DevEndpoint, Properties: !ImportValue all}"),
        ),
    ),
)
def _glue_endpoint(endpoint: Resource, _: RuleSettings) -> Iterator[Fault]:
    workers = endpoint.number("NumberOfWorkers", endpoint.number("NumberOfNodes", 5))
    if workers > 0:
        yield endpoint.fault("", "an interactive session", found=f"keeps {workers:.0f} workers on")
