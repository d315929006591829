"""Amazon OpenSearch Service: managed domains and OpenSearch Serverless."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._instances import graviton_faults, takes_graviton
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource
from cfn_sustainability.values import MARK

_DOMAIN = "AWS::OpenSearchService::Domain"
_COLLECTION = "AWS::OpenSearchServerless::Collection"
_GROUP = "AWS::OpenSearchServerless::CollectionGroup"


def _domain(cluster: str) -> str:
    return f"D: {{Type: AWS::OpenSearchService::Domain, Properties: {{ClusterConfig: {cluster}}}}}"


def _field(field: str) -> str:
    return f"""
I:
  Type: AWS::OpenSearchServerless::Index
  Properties: {{Mappings: {{Properties: {{v: {field}}}}}}}
"""


@rule(
    "OpenSearchGraviton",
    _DOMAIN,
    severity=Severity.ERROR,
    practices=("SUS05-BP02",),
    what="A domain runs on Graviton.",
    why="The service runs the same engine on both; a Graviton type does the work with less energy.",
    fix="Choose a type such as r7g, m7g, c7g or or1.",
    evidence="Sustainability Pillar: Use instance types with the least impact",
    saving="Up to 60 % less energy at the same performance (AWS, of Graviton3 against x86)",
    note="Elasticsearch before 7.9 and the small burstable t3 exist for x86 alone. A warning for "
    "later versions of Elasticsearch, and where the version is not known.",
    cases=Cases(
        compliant=_domain("{InstanceType: or1.medium.search}"),
        non_compliant=_domain("{InstanceType: r5.large.search}"),
        not_applicable="D: {Type: AWS::OpenSearchServerless::Collection}",
        edges=(
            (Outcome.COMPLIANT, _domain("{InstanceType: t3.small.search}")),
            (
                Outcome.NON_COMPLIANT,
                _domain("{InstanceType: m7g.medium.search, DedicatedMasterType: m5.large.search}"),
            ),
            (Outcome.UNKNOWN, _domain("{InstanceType: !ImportValue size}")),
        ),
    ),
)
def _opensearch_graviton(domain: Resource, settings: RuleSettings) -> Iterator[Fault]:
    engine, _, number = domain.fragment("EngineVersion").partition("_")
    taken = takes_graviton(engine.lower(), number) if number and MARK not in number else None
    applies_if(taken is not False)
    for path in ("ClusterConfig.InstanceType", "ClusterConfig.DedicatedMasterType"):
        yield from graviton_faults(
            domain, (path,), settings, region=domain.template.region, certain=bool(taken)
        )


@rule(
    "OpenSearchStandby",
    _DOMAIN,
    severity=Severity.ERROR,
    practices=("SUS02-BP02",),
    profiles=(Profile.DEVELOPMENT,),
    what="A development domain has no standby zone and no dedicated masters.",
    why="A standby zone keeps a third of the nodes idle, and dedicated masters are three more "
    "nodes. Both only raise availability.",
    fix="Set MultiAZWithStandbyEnabled and DedicatedMasterEnabled to false.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="Both are off by default.",
    cases=Cases(
        compliant=_domain("{MultiAZWithStandbyEnabled: false}"),
        non_compliant=_domain("{MultiAZWithStandbyEnabled: true}"),
        not_applicable="D: {Type: AWS::OpenSearchServerless::Collection}",
        edges=(
            (Outcome.NON_COMPLIANT, _domain("{DedicatedMasterEnabled: 'true'}")),
            (Outcome.COMPLIANT, "D: {Type: AWS::OpenSearchService::Domain}"),
        ),
    ),
)
def _opensearch_standby(domain: Resource, _: RuleSettings) -> Iterator[Fault]:
    for path in ("ClusterConfig.MultiAZWithStandbyEnabled", "ClusterConfig.DedicatedMasterEnabled"):
        if domain.flag(path):
            yield domain.fault(path, "false")


@rule(
    "OpenSearchOffPeak",
    _DOMAIN,
    severity=Severity.WARNING,
    practices=("SUS03-BP01",),
    what="A domain's maintenance runs in its off-peak window.",
    why="Moving data beside the daily load needs room that is idle otherwise.",
    fix="Leave OffPeakWindowOptions.Enabled at its default, true.",
    evidence="Amazon OpenSearch Service Developer Guide, off-peak windows",
    note="New domains have the window.",
    cases=Cases(
        compliant="""
            D:
              Type: AWS::OpenSearchService::Domain
              Properties: {OffPeakWindowOptions: {Enabled: true}}
            """,
        non_compliant="""
            D:
              Type: AWS::OpenSearchService::Domain
              Properties: {OffPeakWindowOptions: {Enabled: false}}
            """,
        not_applicable="D: {Type: AWS::OpenSearchServerless::Collection}",
        edges=((Outcome.COMPLIANT, "D: {Type: AWS::OpenSearchService::Domain}"),),
    ),
)
def _opensearch_off_peak(domain: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not domain.flag("OffPeakWindowOptions.Enabled", True):
        yield domain.fault("OffPeakWindowOptions.Enabled", "true")


@rule(
    "OpenSearchServerlessSleeps",
    _COLLECTION,
    _GROUP,
    severity=Severity.ERROR,
    practices=("GENSUS01-BP01", "MLSUS03-BP01"),
    what="A collection can fall to zero capacity.",
    why="Only a collection in a group of generation NEXTGEN falls to zero. A classic collection "
    "keeps its capacity units on, whether or not anybody searches.",
    fix="Put the collection into an AWS::OpenSearchServerless::CollectionGroup of Generation "
    "NEXTGEN.",
    evidence="Amazon OpenSearch Service Developer Guide, scale to zero",
    note="Groups of NEXTGEN take collections of type SEARCH and VECTORSEARCH. A warning for a "
    "group, and for a collection that states no type. KnowledgeBaseStoreSleeps judges the store "
    "of a knowledge base.",
    cases=Cases(
        compliant="""
            V:
              Type: AWS::OpenSearchServerless::Collection
              Properties: {CollectionGroupName: !Ref G}
            G: {Type: AWS::OpenSearchServerless::CollectionGroup, Properties: {Generation: NEXTGEN}}
            """,
        non_compliant="""
            V:
              Type: AWS::OpenSearchServerless::Collection
              Properties: {Name: vectors, Type: VECTORSEARCH}
            """,
        not_applicable="""
            V: {Type: AWS::OpenSearchServerless::Collection, Properties: {Name: vectors}}
            K:
              Type: AWS::Bedrock::KnowledgeBase
              Properties:
                StorageConfiguration:
                  OpensearchServerlessConfiguration: {CollectionArn: !GetAtt V.Arn}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                G:
                  Type: AWS::OpenSearchServerless::CollectionGroup
                  Properties: {Generation: CLASSIC}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                V:
                  Type: AWS::OpenSearchServerless::Collection
                  Properties: {CollectionGroupName: theirs}
                """,
            ),
            (
                Outcome.NOT_APPLICABLE,
                """
                V:
                  Type: AWS::OpenSearchServerless::Collection
                  Properties: {Name: logs, Type: TIMESERIES}
                """,
            ),
        ),
    ),
)
def _serverless_sleeps(resource: Resource, _: RuleSettings) -> Iterator[Fault]:
    if resource.type == _GROUP:
        if resource.text("Generation") != "NEXTGEN":
            yield resource.fault("Generation", "NEXTGEN", certain=False)
    elif not resource.has("CollectionGroupName"):
        kind = resource.text("Type")
        applies_if(kind != "TIMESERIES" and resource.is_alone("AWS::Bedrock::KnowledgeBase"))
        yield resource.fault(
            "CollectionGroupName", "a group of generation NEXTGEN", certain=bool(kind)
        )


@rule(
    "OpenSearchServerlessMinimum",
    _GROUP,
    severity=Severity.WARNING,
    practices=("GENSUS01-BP01", "SUS02-BP02"),
    profiles=(Profile.DEVELOPMENT,),
    what="A development collection group has no minimum capacity.",
    why="A minimum keeps units on for a first request that may take ten seconds in development.",
    fix="Set MinIndexingCapacityInOcu and MinSearchCapacityInOcu to 0.",
    evidence="Amazon OpenSearch Service Developer Guide, scale to zero",
    note="In production a minimum spares users the wait.",
    cases=Cases(
        compliant="""
            G:
              Type: AWS::OpenSearchServerless::CollectionGroup
              Properties: {CapacityLimits: {MinIndexingCapacityInOcu: 0, MinSearchCapacityInOcu: 0}}
            """,
        non_compliant="""
            G:
              Type: AWS::OpenSearchServerless::CollectionGroup
              Properties: {CapacityLimits: {MinSearchCapacityInOcu: 2}}
            """,
        not_applicable="G: {Type: AWS::OpenSearchServerless::Collection}",
        edges=((Outcome.COMPLIANT, "G: {Type: AWS::OpenSearchServerless::CollectionGroup}"),),
    ),
)
def _serverless_minimum(group: Resource, _: RuleSettings) -> Iterator[Fault]:
    for key in ("MinIndexingCapacityInOcu", "MinSearchCapacityInOcu"):
        if group.number(f"CapacityLimits.{key}", 0) > 0:
            yield group.fault(f"CapacityLimits.{key}", "0")


@rule(
    "OpenSearchServerlessStandby",
    _COLLECTION,
    severity=Severity.ERROR,
    practices=("SUS02-BP02",),
    profiles=(Profile.DEVELOPMENT,),
    what="A classic collection has no standby replicas in development.",
    why="Standby replicas double the capacity units that are always on, for a second zone.",
    fix="Set StandbyReplicas to DISABLED.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="Standby replicas are on by default.",
    cases=Cases(
        compliant="""
            V:
              Type: AWS::OpenSearchServerless::Collection
              Properties: {StandbyReplicas: DISABLED}
            """,
        non_compliant="""
            V:
              Type: AWS::OpenSearchServerless::Collection
              Properties: {StandbyReplicas: ENABLED}
            """,
        not_applicable="""
            V:
              Type: AWS::OpenSearchServerless::Collection
              Properties: {CollectionGroupName: g}
            """,
        edges=((Outcome.NON_COMPLIANT, "V: {Type: AWS::OpenSearchServerless::Collection}"),),
    ),
)
def _serverless_standby(collection: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(not collection.has("CollectionGroupName"))
    if collection.text("StandbyReplicas", "ENABLED") == "ENABLED":
        yield collection.fault("StandbyReplicas", "DISABLED")


@rule(
    "VectorsCompressed",
    "AWS::OpenSearchServerless::Index",
    severity=Severity.WARNING,
    practices=("GENSUS02-BP01", "SUS04-BP02"),
    what="Float vectors are compressed in the index.",
    why="Full vectors stay in memory for search; compressed ones take a fraction, and are "
    "scored again.",
    fix="Set CompressionLevel, such as 16x or 32x, on knn_vector fields.",
    evidence="OpenSearch documentation, disk-based vector search; Generative AI Lens",
    note="Vectors of bytes are compressed already.",
    cases=Cases(
        compliant=_field("{Type: knn_vector, Dimension: 256, CompressionLevel: 32x}"),
        non_compliant=_field("{Type: knn_vector, Dimension: 256}"),
        not_applicable=_field("{Type: text}"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _field("{Type: knn_vector, Dimension: 256, CompressionLevel: 1x}"),
            ),
            (Outcome.NOT_APPLICABLE, _field("{Type: knn_vector, Dimension: 256, DataType: byte}")),
            (
                Outcome.NON_COMPLIANT,
                _field("{Properties: {inner: {Type: knn_vector, Dimension: 256}}}"),
            ),
        ),
    ),
)
def _vectors_compressed(index: Resource, _: RuleSettings) -> Iterator[Fault]:
    vectors = list(_vectors(index, "Mappings.Properties"))
    applies_if(bool(vectors))
    for vector in vectors:
        if vector.text("CompressionLevel", "1x") == "1x":
            yield vector.fault("CompressionLevel", "2x to 32x")


def _vectors(holder: Properties, path: str) -> Iterator[Properties]:
    for field in holder.entries(path).values():
        if field.text("Type") == "knn_vector" and field.text("DataType", "float") == "float":
            yield field
        yield from _vectors(field, "Properties")
