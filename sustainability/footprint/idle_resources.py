"""The footprint of each CloudFormation resource type without any use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cfn_sustainability.properties import Properties
from cfn_sustainability.template import Resource
from sustainability.energy import power
from sustainability.energy.impact import HOURS_PER_MONTH, Impact
from sustainability.energy.site import Site
from sustainability.facts.lookup import DATA
from sustainability.facts.ranges import Estimate


class NotKnown(Exception):
    """Something always on whose amount cannot be calculated; the message says why."""


_ACCELERATED = ("ml.inf2.", "ml.g5.", "ml.g6.", "inf2.", "g5.", "g6.")


@dataclass(frozen=True)
class Load:
    """The footprint of a resource in a month (730 hours)."""

    basis: str
    impact: Impact
    priced: bool = True
    shared_as: str | None = None
    """Loads with the same name count once, such as capacity that collections share."""


Rule = Callable[[Resource, Site], Load | None]
"""Returns ``None`` for a resource that uses nothing while idle."""


def _machines(kind: str, count: float, site: Site, *, price: str | None = None) -> Load | None:
    if count <= 0:
        return None
    if kind.startswith(_ACCELERATED):
        machine = power.accelerated(kind, site.facts).idle
        price = price or f"prices/instance/ml.{kind.removeprefix('ml.')}"
    else:
        machine = power.instance(kind, site.facts)
    return _always(f"{count:g} x {kind}", machine, count, site, price=price)


def _always(
    basis: str, machine: power.Machine, count: float, site: Site, *, price: str | None
) -> Load:
    hours = count * HOURS_PER_MONTH
    priced = price is not None and site.facts.has(price)
    return Load(
        basis,
        site.impact(
            machine.kwh(hours),
            embodied_g=machine.embodied_g_per_h * hours,
            usd=site.facts(price, "USD/h") * hours if price is not None and priced else None,
        ),
        priced,
    )


def _instance(resource: Resource, site: Site) -> Load | None:
    return _machines(resource.text("InstanceType", "m1.small"), 1, site)


def _scaling_group(resource: Resource, site: Site) -> Load | None:
    count = resource.number("MinSize", 0)
    if not count:
        return None
    launched = _neighbour(resource, "LaunchTemplate.LaunchTemplateId", "AWS::EC2::LaunchTemplate")
    return _machines(launched.text("LaunchTemplateData.InstanceType"), count, site)


def _neighbour(resource: Resource, path: str, kind: str) -> Resource:
    found = resource.target(path, kind)
    if found is None:
        raise NotKnown("it refers to a resource outside the templates")
    return found


def _endpoint_config(resource: Resource, site: Site) -> Load | None:
    loads = []
    for variant in resource.each("ProductionVariants"):
        if variant.has("ServerlessConfig"):
            continue
        initial = variant.number("InitialInstanceCount", 1)
        count = variant.number("ManagedInstanceScaling.MinInstanceCount", initial)
        loads.append(_machines(variant.text("InstanceType"), count, site))
    return _sum([load for load in loads if load is not None])


def _sum(loads: list[Load]) -> Load | None:
    if not loads:
        return None
    return Load(
        ", ".join(load.basis for load in loads),
        Impact.total(load.impact for load in loads),
        all(load.priced for load in loads),
    )


def _domain(resource: Resource, site: Site) -> Load | None:
    def nodes(kind: str, count: float) -> Load | None:
        return _machines(kind, count, site, price=f"prices/opensearch/{kind}")

    cluster = resource.section("ClusterConfig")
    count = cluster.number("InstanceCount", 1)
    loads = [nodes(cluster.text("InstanceType", "m4.large.search"), count)]
    if cluster.flag("DedicatedMasterEnabled"):
        masters = cluster.number("DedicatedMasterCount", 3)
        loads.append(nodes(cluster.text("DedicatedMasterType"), masters))
    loads.append(_volumes(resource.number("EBSOptions.VolumeSize", 0), count, site))
    return _sum([load for load in loads if load is not None])


def _volumes(gigabytes: float, count: float, site: Site) -> Load | None:
    if not gigabytes:
        return None
    facts, hours = site.facts, count * HOURS_PER_MONTH
    disk = power.ssd(gigabytes / 1000 * facts("power/copies/ebs", "copies").mid, facts)
    monthly = facts("prices/opensearch/gp3", "USD/GB-month") * (gigabytes * count)
    made = disk.embodied_g_per_h * hours
    return Load(
        f"{gigabytes:g} GB each", site.impact(disk.kwh(hours), embodied_g=made, usd=monthly)
    )


def _collection_group(resource: Resource, site: Site) -> Load | None:
    limits = resource.section("CapacityLimits")
    floor = sum(limits.number(f"Min{part}CapacityInOcu", 0) for part in ("Indexing", "Search"))
    if resource.text("Generation", "CLASSIC") == "CLASSIC":
        floor = max(floor, _classic_units(resource))
    return _search_units(floor, site)


def _classic_units(resource: Properties) -> float:
    return 2.0 if resource.text("StandbyReplicas", "ENABLED") == "ENABLED" else 1.0


def _collection(resource: Resource, site: Site) -> Load | None:
    if resource.has("CollectionGroupName"):
        return None
    return _search_units(_classic_units(resource), site, shared_as="classic collections")


def _search_units(count: float, site: Site, *, shared_as: str | None = None) -> Load | None:
    if not count:
        return None
    hours = count * HOURS_PER_MONTH
    unit = power.search_unit(site.facts)
    impact = site.impact(
        unit.kwh(hours),
        embodied_g=unit.embodied_g_per_h * hours,
        usd=site.facts("prices/opensearch/ocu", "USD/OCU-hour") * hours,
    )
    return Load(f"{count:g} OCU", impact, shared_as=shared_as)


def _nat_gateway(resource: Resource, site: Site) -> Load:
    none = Estimate.exact(0.0)
    machine = power.Machine(site.facts("power/nat", "W"), none)
    return _always("1 NAT gateway", machine, 1, site, price="prices/nat/hour")


def _database(resource: Resource, site: Site) -> Load | None:
    copies = 2 if resource.flag("MultiAZ") else 1
    kind = resource.text("DBInstanceClass")
    if kind in ("", "db.serverless"):
        raise NotKnown("its minimum capacity is a property of the cluster")
    return _machines(kind, copies, site)


def _cache(resource: Resource, site: Site) -> Load | None:
    shards = resource.number("NumNodeGroups", 1)
    copies = 1 + resource.number("ReplicasPerNodeGroup", 0)
    count = resource.number("NumCacheClusters", shards * copies)
    return _machines(resource.text("CacheNodeType"), count, site)


def _cache_cluster(resource: Resource, site: Site) -> Load | None:
    return _machines(resource.text("CacheNodeType"), resource.number("NumCacheNodes", 0), site)


def _container_service(resource: Resource, site: Site) -> Load | None:
    count = resource.number("DesiredCount", 1)
    if not count:
        return None
    task = _neighbour(resource, "TaskDefinition", "AWS::ECS::TaskDefinition")
    vcpus, gib = task.number("Cpu", 0) / 1024, task.number("Memory", 0) / 1024
    if not vcpus:
        raise NotKnown("its task has no size; it runs on instances that are counted separately")
    arm = task.text("RuntimePlatform.CpuArchitecture") == "ARM64"
    machine = power.share(vcpus, gib, site.facts, processor="graviton" if arm else "x86")
    return _always(f"{count:g} x {vcpus:g} vCPU, {gib:g} GiB", machine, count, site, price=None)


def _provisioned_concurrency(resource: Resource, site: Site) -> Load | None:
    count = resource.number("ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions", 0)
    if not count:
        return None
    function = _neighbour(resource, "FunctionName", "AWS::Lambda::Function")
    memory = int(function.number("MemorySize", 128))
    machine = power.function(memory, site.facts)
    return _always(f"{count:g} x {memory} MiB kept warm", machine, count, site, price=None)


def _money(price: str) -> Rule:
    def rule(resource: Resource, site: Site) -> Load:
        return Load("cost only", site.impact(usd=site.facts(price, "USD/month")))

    return rule


def _table(resource: Resource, site: Site) -> Load | None:
    if resource.text("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST":
        return None
    raise NotKnown("provisioned throughput; AWS publishes no energy value for it")


def _endpoint(resource: Resource, site: Site) -> Load | None:
    if resource.text("VpcEndpointType", "Gateway") == "Gateway":
        return None
    raise NotKnown(
        "an interface endpoint is always on in each zone; AWS publishes no energy value for it"
    )


RULES: dict[str, Rule] = {
    "AWS::AutoScaling::AutoScalingGroup": _scaling_group,
    "AWS::CloudWatch::Alarm": _money("prices/cloudwatch/alarm"),
    "AWS::CloudWatch::CompositeAlarm": _money("prices/cloudwatch/alarm"),
    "AWS::CloudWatch::Dashboard": _money("prices/cloudwatch/dashboard"),
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::Instance": _instance,
    "AWS::EC2::NatGateway": _nat_gateway,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::ECS::Service": _container_service,
    "AWS::ElastiCache::CacheCluster": _cache_cluster,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::KMS::Key": _money("prices/kms/key"),
    "AWS::Lambda::Alias": _provisioned_concurrency,
    "AWS::Lambda::Version": _provisioned_concurrency,
    "AWS::OpenSearchServerless::Collection": _collection,
    "AWS::OpenSearchServerless::CollectionGroup": _collection_group,
    "AWS::OpenSearchService::Domain": _domain,
    "AWS::RDS::DBInstance": _database,
    "AWS::SageMaker::EndpointConfig": _endpoint_config,
}

_NO_ENERGY = "AWS publishes no energy value for it"
_NO_RULE = "this project has no rule for it"
_ALWAYS_ON = {
    "AWS::Bedrock::ProvisionedModelThroughput": "reserved units whose size AWS does not publish",
    "AWS::DocDB::DBInstance": f"always on, {_NO_RULE}",
    "AWS::EC2::TransitGateway": f"always on, {_NO_ENERGY}",
    "AWS::EC2::VPNConnection": f"always on, {_NO_ENERGY}",
    "AWS::EKS::Cluster": f"its control plane is always on, {_NO_ENERGY}",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": f"always on, {_NO_ENERGY}",
    "AWS::Kinesis::Stream": f"shards can be provisioned, {_NO_ENERGY}",
    "AWS::MSK::Cluster": f"always on, {_NO_RULE}",
    "AWS::MemoryDB::Cluster": f"always on, {_NO_RULE}",
    "AWS::Neptune::DBInstance": f"always on, {_NO_RULE}",
    "AWS::RDS::DBCluster": "its minimum capacity is always on",
    "AWS::Redshift::Cluster": f"always on, {_NO_RULE}",
    "AWS::SageMaker::NotebookInstance": "on until a user stops it",
}

_SLEEPING = tuple((DATA / "sleeping_types.txt").read_text(encoding="utf-8").split())
"""Prefixes of the types that run only when used, or are not a machine at all."""


def always_on(resource_type: str) -> str | None:
    """Return why a type is always on but not counted; ``None`` if it is not known as always on."""
    return _ALWAYS_ON.get(resource_type)


def sleeps(resource_type: str) -> bool:
    """Return whether a type uses nothing while idle."""
    return resource_type.startswith(_SLEEPING)
