"""Copies elsewhere: Amazon S3, ECR, EFS, DynamoDB, and standby nodes of caches and brokers."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource

_HOT = ("", "STANDARD", "INTELLIGENT_TIERING", "EXPRESS_ONEZONE")


def _bucket(entry: str) -> str:
    return f"""
B:
  Type: AWS::S3::Bucket
  Properties: {{ReplicationConfiguration: {{Role: r, Rules: [{entry}]}}}}
"""


def _registry(entry: str) -> str:
    return f"""
R:
  Type: AWS::ECR::ReplicationConfiguration
  Properties: {{ReplicationConfiguration: {{Rules: [{entry}]}}}}
"""


def _table(properties: str) -> str:
    return f"T: {{Type: AWS::DynamoDB::GlobalTable, Properties: {{{properties}}}}}"


def _cache(properties: str) -> str:
    return f"C: {{Type: AWS::ElastiCache::ReplicationGroup, Properties: {{{properties}}}}}"


def _selects(entry: Properties) -> bool:
    """Return whether a rule of S3 copies a part of the bucket."""
    paths = ("Prefix", "Filter.Prefix", "Filter.And.Prefix")
    tagged = entry.has("Filter.TagFilter") or bool(entry.each("Filter.And.TagFilters"))
    return tagged or any(entry.fragment(path) for path in paths)


@rule(
    "BucketReplicatesSelectively",
    "AWS::S3::Bucket",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS04-BP07"),
    what="A bucket is copied elsewhere as far as its objects are hard to make again.",
    why="A rule without a filter stores every object a second time, as ready as the first, and "
    "sends it over the network.",
    fix="Filter the rule by prefix or tag, or store the copies in a colder StorageClass.",
    evidence="Sustainability Pillar: Back up data only when difficult to recreate",
    note="Any filter passes; which objects it copies is for the author to decide.",
    cases=Cases(
        compliant=_bucket("{Status: Enabled, Filter: {Prefix: ledger/}, Destination: {Bucket: b}}"),
        non_compliant=_bucket("{Status: Enabled, Destination: {Bucket: b}}"),
        not_applicable="B: {Type: AWS::S3::Bucket}",
        edges=(
            (
                Outcome.COMPLIANT,
                _bucket("{Status: Enabled, Destination: {Bucket: b, StorageClass: GLACIER}}"),
            ),
            (
                Outcome.NON_COMPLIANT,
                _bucket("{Status: Enabled, Filter: {Prefix: ''}, Destination: {Bucket: b}}"),
            ),
            (Outcome.COMPLIANT, _bucket("{Status: Disabled, Destination: {Bucket: b}}")),
            (
                Outcome.UNKNOWN,
                _bucket("{Status: !ImportValue copied, Destination: {Bucket: b}}"),
            ),
        ),
    ),
)
def _bucket_replicates(bucket: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(bucket.has("ReplicationConfiguration"))
    for entry in bucket.each("ReplicationConfiguration.Rules"):
        if entry.text("Status") != "Enabled" or _selects(entry):
            continue
        if entry.text("Destination.StorageClass") in _HOT:
            found = "copies the whole bucket into a hot storage class"
            yield entry.fault("Destination.StorageClass", "a filter or GLACIER_IR", found=found)


@rule(
    "ImagesReplicateSelectively",
    "AWS::ECR::ReplicationConfiguration",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS04-BP07"),
    what="Container images are copied to other Regions as far as they run there.",
    why="Without a filter every push of every repository is sent and stored again in each "
    "destination.",
    fix="Set RepositoryFilters to the repositories that are deployed there.",
    evidence="Amazon ECR User Guide, private image replication",
    note="What the filter lets through is the author's choice.",
    cases=Cases(
        compliant=_registry(
            "{Destinations: [{Region: eu-west-1, RegistryId: r}], "
            "RepositoryFilters: [{Filter: serving, FilterType: PREFIX_MATCH}]}"
        ),
        non_compliant=_registry("{Destinations: [{Region: eu-west-1, RegistryId: r}]}"),
        not_applicable="R: {Type: AWS::ECR::Repository}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _registry("{Destinations: [{Region: eu-west-1}], RepositoryFilters: []}"),
            ),
        ),
    ),
)
def _images_replicate(registry: Resource, _: RuleSettings) -> Iterator[Fault]:
    for entry in registry.each("ReplicationConfiguration.Rules"):
        if not entry.each("RepositoryFilters"):
            yield entry.fault("RepositoryFilters", "a filter", found="are absent")


@rule(
    "GlobalTableRegions",
    "AWS::DynamoDB::GlobalTable",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS02-BP04"),
    what="A table stands in one Region, unless its users need it in several.",
    why="Each replica stores all items and repeats each write; a backup guards the data for less.",
    fix="Keep one replica and use point-in-time recovery, or acknowledge the finding with what the "
    "other Regions are for.",
    evidence="Sustainability Pillar: Back up data only when difficult to recreate",
    note="A global table with one replica is a table.",
    cases=Cases(
        compliant=_table("Replicas: [{Region: eu-north-1}]"),
        non_compliant=_table("Replicas: [{Region: eu-north-1}, {Region: us-east-1}]"),
        not_applicable="T: {Type: AWS::DynamoDB::Table}",
        edges=(
            (
                Outcome.COMPLIANT,
                _table("Replicas: [{Region: eu-north-1}, !Ref 'AWS::NoValue']"),
            ),
            (Outcome.UNKNOWN, _table("Replicas: !ImportValue replicas")),
        ),
    ),
)
def _global_table_regions(table: Resource, _: RuleSettings) -> Iterator[Fault]:
    replicas = table.each("Replicas")
    if len(replicas) > 1:
        found = f"repeat each write in {len(replicas)} Regions"
        yield table.fault("Replicas", "one Region", found=found)


@rule(
    "GlobalTableScales",
    "AWS::DynamoDB::GlobalTable",
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS01-BP01"),
    what="A global table's capacity follows demand.",
    why="Fixed capacity is sized for the peak in each Region, and idles the rest of the time.",
    fix="Set BillingMode to PAY_PER_REQUEST, or a MinCapacity below MaxCapacity.",
    evidence="Amazon DynamoDB Developer Guide, managing throughput capacity with auto scaling",
    note="Without BillingMode a table is provisioned. Its indexes are not judged.",
    cases=Cases(
        compliant=_table("BillingMode: PAY_PER_REQUEST, Replicas: [{Region: eu-north-1}]"),
        non_compliant=_table(
            "Replicas: [{Region: eu-north-1, "
            "ReadProvisionedThroughputSettings: {ReadCapacityUnits: 100}}]"
        ),
        not_applicable="T: {Type: AWS::DynamoDB::Table}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _table(
                    "BillingMode: PROVISIONED, Replicas: [{Region: eu-north-1}], "
                    "WriteProvisionedThroughputSettings: "
                    "{WriteCapacityAutoScalingSettings: {MinCapacity: 50, MaxCapacity: 50}}"
                ),
            ),
            (
                Outcome.COMPLIANT,
                _table(
                    "BillingMode: PROVISIONED, Replicas: [{Region: eu-north-1}], "
                    "WriteProvisionedThroughputSettings: "
                    "{WriteCapacityAutoScalingSettings: {MinCapacity: 5, MaxCapacity: 50}}"
                ),
            ),
        ),
    ),
)
def _global_table_scales(table: Resource, _: RuleSettings) -> Iterator[Fault]:
    if table.text("BillingMode", "PROVISIONED") != "PROVISIONED":
        return
    read = "ReadProvisionedThroughputSettings"
    write = "WriteProvisionedThroughputSettings.WriteCapacityAutoScalingSettings"
    for replica in table.each("Replicas"):
        if replica.has(f"{read}.ReadCapacityUnits"):
            yield replica.fault(f"{read}.ReadCapacityUnits", "ReadCapacityAutoScalingSettings")
    holders: list[tuple[Properties, str]] = [(table, write)]
    holders += [(r, f"{read}.ReadCapacityAutoScalingSettings") for r in table.each("Replicas")]
    for holder, path in holders:
        least, most = holder.number(f"{path}.MinCapacity"), holder.number(f"{path}.MaxCapacity")
        if least is not None and most is not None and least >= most:
            yield holder.fault(f"{path}.MinCapacity", f"less than {most:.0f}")


@rule(
    "FileSystemReplicates",
    "AWS::EFS::FileSystem",
    severity=Severity.WARNING,
    practices=("SUS04-BP08",),
    what="A file system is not kept a second time, unless its files are hard to make again.",
    why="Replication stores every file again, and sends each change over the network.",
    fix="Use AWS Backup with a retention, or acknowledge the finding with the recovery time that "
    "is needed.",
    evidence="Sustainability Pillar: Back up data only when difficult to recreate",
    note="A copy in one zone takes less than a copy in three.",
    cases=Cases(
        compliant="F: {Type: AWS::EFS::FileSystem}",
        non_compliant="""
            F:
              Type: AWS::EFS::FileSystem
              Properties: {ReplicationConfiguration: {Destinations: [{Region: us-east-1}]}}
            """,
        not_applicable="F: {Type: AWS::EFS::AccessPoint}",
        edges=(
            (
                Outcome.COMPLIANT,
                """
                F:
                  Type: AWS::EFS::FileSystem
                  Properties: {ReplicationConfiguration: {Destinations: []}}
                """,
            ),
        ),
    ),
)
def _file_system_replicates(system: Resource, _: RuleSettings) -> Iterator[Fault]:
    if system.each("ReplicationConfiguration.Destinations"):
        yield system.fault(
            "ReplicationConfiguration.Destinations", "none", found="keep a second copy"
        )


@rule(
    "CacheStandby",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::MemoryDB::Cluster",
    "AWS::AmazonMQ::Broker",
    severity=Severity.WARNING,
    practices=("SUS02-BP02",),
    profiles=(Profile.DEVELOPMENT,),
    what="A development cache or broker has no standby nodes.",
    why="Each replica holds the same data on a machine of its own, and guards uptime alone.",
    fix="Set NumCacheClusters to 1, NumReplicasPerShard or ReplicasPerNodeGroup to 0, "
    "DeploymentMode to SINGLE_INSTANCE.",
    evidence="Sustainability Pillar: Align SLAs with sustainability goals",
    note="Replicas may also share a load of reads; in development there is little.",
    cases=Cases(
        compliant=_cache("NumCacheClusters: 1"),
        non_compliant=_cache("NumCacheClusters: 3"),
        not_applicable="C: {Type: AWS::ElastiCache::ServerlessCache}",
        edges=(
            (Outcome.NON_COMPLIANT, _cache("NumNodeGroups: 1, ReplicasPerNodeGroup: 1")),
            (Outcome.COMPLIANT, _cache("NumNodeGroups: 2, ReplicasPerNodeGroup: 0")),
            (
                Outcome.NON_COMPLIANT,
                """
                B:
                  Type: AWS::AmazonMQ::Broker
                  Properties: {EngineType: RABBITMQ, DeploymentMode: CLUSTER_MULTI_AZ}
                """,
            ),
            (Outcome.NON_COMPLIANT, "M: {Type: AWS::MemoryDB::Cluster}"),
        ),
    ),
)
def _cache_standby(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    if cluster.type == "AWS::AmazonMQ::Broker":
        if cluster.text("DeploymentMode") != "SINGLE_INSTANCE":
            yield cluster.fault("DeploymentMode", "SINGLE_INSTANCE")
        return
    most = {"NumReplicasPerShard": (1, 0)}  # a MemoryDB shard has one replica by default
    if cluster.type == "AWS::ElastiCache::ReplicationGroup":
        most = {"NumCacheClusters": (1, 1), "ReplicasPerNodeGroup": (0, 0)}
    for path, (default, enough) in most.items():
        if cluster.number(path, default) > enough:
            yield cluster.fault(path, str(enough))


def _plan(entry: str) -> str:
    return f"""
P:
  Type: AWS::Backup::BackupPlan
  Properties: {{BackupPlan: {{BackupPlanName: p, BackupPlanRule: [{{RuleName: r, {entry}}}]}}}}
"""


_ELSEWHERE = "DestinationBackupVaultArn: 'arn:aws:backup:eu-west-3:1:backup-vault:v'"


@rule(
    "BackupCopiesSelective",
    "AWS::Backup::BackupPlan",
    severity=Severity.WARNING,
    practices=("SUS04-BP08", "SUS04-BP07"),
    what="A backup is copied to a second vault as far as its data is hard to make again.",
    why="Each copy is sent over the network and stored once more, for as long as its own lifecycle "
    "says.",
    fix="Drop CopyActions from rules whose data can be made again, and give the others a short "
    "lifecycle.",
    evidence="Sustainability Pillar: Back up data only when difficult to recreate",
    note="Where the law or a recovery plan asks for a copy elsewhere: acknowledge it.",
    cases=Cases(
        compliant=_plan("Lifecycle: {DeleteAfterDays: 35}"),
        non_compliant=_plan(f"CopyActions: [{{{_ELSEWHERE}}}]"),
        not_applicable="P: {Type: AWS::Backup::BackupVault}",
        edges=((Outcome.COMPLIANT, _plan("CopyActions: []")),),
    ),
)
def _backup_copies(plan: Resource, _: RuleSettings) -> Iterator[Fault]:
    for entry in plan.each("BackupPlan.BackupPlanRule"):
        if entry.each("CopyActions"):
            yield entry.fault("CopyActions", "no copy", found="stores each backup twice")
