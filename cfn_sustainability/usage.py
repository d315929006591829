"""What ran for a fortnight and did nothing: ten findings that need CloudWatch and the services.

Each says what it takes a month, as a range: an estimate from what was seen and from prices of
us-east-1 in ``data/prices.csv``. It tells dear from cheap, not what a bill will say.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cfn_sustainability.account import Caller, read, regions_of, why
from cfn_sustainability.engine import judge
from cfn_sustainability.errors import CallError
from cfn_sustainability.finding import Finding, Judgement, Unseen
from cfn_sustainability.offers import parsed
from cfn_sustainability.reader import Document
from cfn_sustainability.rule import Demand, Rule, Severity
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Template
from cfn_sustainability.values import Undecidable

DAYS = 14
_HOURS = 730
_XLARGE = 32
"""``InstanceClass.weight`` of the size xlarge."""
_GIB = 2**30
_UNUSED = ("SUS03-BP02", "SUS02-BP03", "MLSUS03-BP01")
_BATCHES = 100
Range = tuple[float, float]
"""The lowest and the highest amount."""


@dataclass(frozen=True)
class Seen:
    """One thing that did nothing: the resource, what was seen, and what it takes in USD a month."""

    resource: str
    what: str
    usd: Range | None


class Usage:
    """A fortnight of an account in one Region."""

    def __init__(self, caller: Caller, template: Template, now: datetime | None = None) -> None:
        self.caller, self.template = caller, template
        self.now = now or datetime.now(UTC)
        self.since = self.now - timedelta(days=DAYS)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the resources of a type, by logical id."""
        found = self.template.program.of_type(kind)
        return {name: self.template.resources[name]["Properties"] for _, name in found}

    def total(
        self, namespace: str, metric: str, dimension: str, value: str, stat: str = "Sum"
    ) -> float | None:
        """Return a metric over the fortnight, added or at its highest; None if nothing wrote it."""
        listed = self.caller.all(
            "cloudwatch",
            "list_metrics",
            "Metrics",
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": dimension, "Value": value}],
        )
        queries = [
            {
                "Id": f"m{number}",
                "MetricStat": {"Metric": found, "Period": 86_400, "Stat": stat},
            }
            for number, found in enumerate(listed)
        ]
        values: list[float] = []
        for start in range(0, len(queries), _BATCHES):
            for result in self.caller.all(
                "cloudwatch",
                "get_metric_data",
                "MetricDataResults",
                MetricDataQueries=queries[start : start + _BATCHES],
                StartTime=self.since,
                EndTime=self.now,
            ):
                values += result["Values"]
        if not values:
            return None
        return max(values) if stat == "Maximum" else sum(values)


@cache
def _prices() -> dict[str, Range]:
    text = files("cfn_sustainability").joinpath("data", "prices.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["key"]: (float(row["low"]), float(row["high"])) for row in rows}


def _price(key: str, amount: float = 1) -> Range:
    """Return what an amount of something takes, in USD."""
    low, high = _prices()[key]
    return low * amount, high * amount


def _monthly(name: str, count: float = 1) -> Range | None:
    """Return what instances of a type take a month, in USD; None where the type tells no price."""
    known = parsed(name)
    if known is None:
        return None
    for family in ("inf", "trn", "p", "g"):
        if known.series == family:
            return _price(f"instance/{family}", count * _HOURS)
    return _price("instance/cpu", count * _HOURS * known.weight / _XLARGE) if known.weight else None


def _endpoints(usage: Usage) -> Iterator[Seen]:
    configs = usage.of_type("AWS::SageMaker::EndpointConfig").values()
    by_name = {config.get("EndpointConfigName"): config for config in configs}
    for logical_id, endpoint in usage.of_type("AWS::SageMaker::Endpoint").items():
        name = str(endpoint.get("EndpointName") or logical_id.rpartition("/")[2])
        if usage.total("AWS/SageMaker", "Invocations", "EndpointName", name):
            continue
        variants = by_name.get(endpoint.get("EndpointConfigName"), {}).get("ProductionVariants", [])
        on = [v for v in variants if "InstanceType" in v]
        costs = [_monthly(v["InstanceType"], v.get("InitialInstanceCount", 1)) for v in on]
        yield Seen(logical_id, "had no invocation", _sum(costs))


def _stores(usage: Usage) -> Iterator[Seen]:
    for logical_id, store in usage.of_type("AWS::OpenSearchServerless::Collection").items():
        if not usage.total("AWS/AOSS", "SearchRequestRate", "CollectionName", store["Name"]):
            units = _prices()["ocus/group" if store.get("CollectionGroupName") else "ocus/classic"]
            low, high = _price("ocu", _HOURS)
            yield Seen(logical_id, "had no search", (units[0] * low, units[1] * high))
    for logical_id, domain in usage.of_type("AWS::OpenSearchService::Domain").items():
        name = str(domain.get("DomainName") or logical_id.partition(" ")[2])
        if not usage.total("AWS/ES", "SearchRate", "DomainName", name):
            cluster = domain.get("ClusterConfig", {})
            cost = _monthly(cluster.get("InstanceType", ""), cluster.get("InstanceCount", 1))
            yield Seen(logical_id, "had no search", cost)


def _throughputs(usage: Usage) -> Iterator[Seen]:
    operation = ("list_provisioned_model_throughputs", "provisionedModelSummaries")
    for found in usage.caller.all("bedrock", *operation):
        arn = found["provisionedModelArn"]
        if not usage.total("AWS/Bedrock", "Invocations", "ModelId", arn):
            cost = _price("model_unit", found.get("modelUnits", 1) * _HOURS)
            yield Seen("", f"{found['provisionedModelName']}: had no invocation", cost)
    for logical_id, guardrail in usage.of_type("AWS::Bedrock::Guardrail").items():
        arn = str(guardrail.get("GuardrailArn", ""))
        if not usage.total("AWS/Bedrock/Guardrails", "Invocations", "GuardrailArn", arn):
            yield Seen(logical_id, "judged nothing", (0, 0))


def _desks(usage: Usage) -> Iterator[Seen]:
    running = usage.caller.all(
        "sagemaker", "list_notebook_instances", "NotebookInstances", StatusEquals="InService"
    )
    for notebook in running:
        if notebook["LastModifiedTime"] < usage.since:
            name, kind = notebook["NotebookInstanceName"], notebook["InstanceType"]
            yield Seen("", f"notebook {name}: ran on without a stop", _monthly(kind))
    for app in usage.caller.all("sagemaker", "list_apps", "Apps"):
        if app["Status"] != "InService" or app["AppType"] in ("Canvas", "RStudioServerPro"):
            continue
        owner = {key: app[key] for key in ("UserProfileName", "SpaceName") if key in app}
        place = {key: app[key] for key in ("DomainId", "AppType", "AppName")}
        details = usage.caller.client("sagemaker").describe_app(**place, **owner)
        used = details.get("LastUserActivityTimestamp") or details["CreationTime"]
        if used < usage.since:
            kind = details.get("ResourceSpec", {}).get("InstanceType", "")
            yield Seen("", f"app {app['AppName']}: nobody was active", _monthly(kind))


def _knowledge_bases(usage: Usage) -> Iterator[Seen]:
    """Bedrock counts no queries of a base; a store that is not searched had none."""
    collections = usage.of_type("AWS::OpenSearchServerless::Collection").values()
    names = {collection.get("Arn"): collection["Name"] for collection in collections}
    for logical_id, base in usage.of_type("AWS::Bedrock::KnowledgeBase").items():
        storage = base.get("StorageConfiguration", {})
        arn = storage.get("OpensearchServerlessConfiguration", {}).get("CollectionArn")
        name = names.get(arn)
        if name and not usage.total("AWS/AOSS", "SearchRequestRate", "CollectionName", name):
            yield Seen(logical_id, "had no query: its store had no search", None)


def _artifacts(usage: Usage) -> Iterator[Seen]:
    served = str(usage.of_type("AWS::SageMaker::EndpointConfig"))
    served += str(usage.of_type("AWS::SageMaker::InferenceComponent"))
    for logical_id, model in usage.of_type("AWS::SageMaker::Model").items():
        name = str(model.get("ModelName") or logical_id.rpartition("/")[2])
        if f"'{name}'" not in served:
            yield Seen(logical_id, "is served by no endpoint", None)
    for logical_id, repository in usage.of_type("AWS::ECR::Repository").items():
        name = str(repository.get("RepositoryName") or logical_id.partition(" ")[2])
        images = usage.caller.all("ecr", "describe_images", "imageDetails", repositoryName=name)
        idle = [i for i in images if _pulled(i) < usage.since]
        if idle:
            size = sum(image.get("imageSizeInBytes", 0) for image in idle) / _GIB
            what = f"{len(idle)} images of {size:.1f} GiB were not pulled"
            yield Seen(logical_id, what, _price("images", size))


def _pulled(image: dict[str, Any]) -> datetime:
    pulled: datetime = image.get("lastRecordedPullTime") or image["imagePushedAt"]
    return pulled


def _failed_jobs(usage: Usage) -> Iterator[Seen]:
    operation = ("list_model_invocation_jobs", "invocationJobSummaries")
    for job in usage.caller.all("bedrock", *operation, statusEquals="Failed"):
        uri = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
        yield from _kept(usage, job["jobName"], uri)
    operation = ("list_transform_jobs", "TransformJobSummaries")
    for job in usage.caller.all("sagemaker", *operation, StatusEquals="Failed"):
        name = job["TransformJobName"]
        details = usage.caller.client("sagemaker").describe_transform_job(TransformJobName=name)
        yield from _kept(usage, name, details["TransformOutput"]["S3OutputPath"])


def _kept(usage: Usage, job: str, uri: str) -> Iterator[Seen]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    objects = usage.caller.all("s3", "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix)
    size = sum(found["Size"] for found in objects) / _GIB
    if size:
        what = f"job {job} failed and kept {size:.3f} GiB in {uri}"
        yield Seen("", what, _price("objects", size))


def _unread_logs(usage: Usage) -> Iterator[Seen]:
    for logical_id, group in usage.of_type("AWS::Logs::LogGroup").items():
        name = str(group.get("LogGroupName") or logical_id.partition(" ")[2])
        written = usage.total("AWS/Logs", "IncomingBytes", "LogGroupName", name)
        if not written:
            continue
        logs = usage.caller.client("logs")
        readers = (
            logs.describe_subscription_filters(logGroupName=name)["subscriptionFilters"],
            logs.describe_metric_filters(logGroupName=name)["metricFilters"],
            logs.describe_queries(logGroupName=name)["queries"],
        )
        if not any(readers):
            monthly = written / DAYS * 30 / _GIB
            what = f"was written {written / _GIB:.3f} GiB, and no filter or query reads it"
            yield Seen(logical_id, what, _price("logs", monthly))


def _spare_memory(usage: Usage) -> Iterator[Seen]:
    """Lambda Insights alone knows the memory that a function used; others are not judged."""
    for logical_id, function in usage.of_type("AWS::Lambda::Function").items():
        name = str(function.get("FunctionName") or logical_id.partition(" ")[2])
        used = usage.total("LambdaInsights", "memory_utilization", "function_name", name, "Maximum")
        if used is not None and used < 50:
            what = f"used {used:.0f} % of {function.get('MemorySize', 128)} MB at the most"
            yield Seen(logical_id, what, None)


def _still_scaling(usage: Usage) -> Iterator[Seen]:
    for logical_id, target in usage.of_type("AWS::ApplicationAutoScaling::ScalableTarget").items():
        if target["MinCapacity"] >= target["MaxCapacity"]:
            continue
        activities = usage.caller.all(
            "application-autoscaling",
            "describe_scaling_activities",
            "ScalingActivities",
            ServiceNamespace=target["ServiceNamespace"],
            ResourceId=target["ResourceId"],
            ScalableDimension=target["ScalableDimension"],
        )
        if not any(activity["StartTime"] >= usage.since for activity in activities):
            yield Seen(logical_id, "never scaled", None)


def _sum(costs: list[Range | None]) -> Range | None:
    """Return what all take; None where one is not known, or there is none."""
    known = [cost for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return None
    return sum(low for low, _ in known), sum(high for _, high in known)


def _demand(name: str, what: str, fix: str, practices: tuple[str, ...] = _UNUSED) -> Demand:
    return Demand(
        name=name,
        severity=Severity.WARNING,
        what=what,
        why=f"In {DAYS} days nobody needed it.",
        fix=fix,
        practices=practices,
    )


CHECKS: tuple[tuple[Demand, Callable[[Usage], Iterator[Seen]]], ...] = (
    (
        _demand("EndpointAsked", "An endpoint is asked.", "Delete it, or let it rest at zero."),
        _endpoints,
    ),
    (_demand("StoreSearched", "A store is searched.", "Delete it, or let it sleep."), _stores),
    (
        _demand("ThroughputUsed", "Throughput and guardrails are used.", "Delete what is unused."),
        _throughputs,
    ),
    (_demand("DeskUsed", "A notebook or app that runs is used.", "Stop it when idle."), _desks),
    (
        _demand("KnowledgeBaseAsked", "A knowledge base is asked.", "Delete it with its store."),
        _knowledge_bases,
    ),
    (
        _demand("ArtifactServed", "Models and images are served.", "Delete them by a lifecycle."),
        _artifacts,
    ),
    (
        _demand("FailedOutputDeleted", "Failed jobs keep no output.", "Delete what they wrote."),
        _failed_jobs,
    ),
    (
        _demand("LogsRead", "Logs that are written are read.", "Log less, or keep it shorter."),
        _unread_logs,
    ),
    (
        _demand("MemoryUsed", "Functions use their memory.", "Lower MemorySize.", ("SUS05-BP01",)),
        _spare_memory,
    ),
    (
        _demand("ScalingScales", "Scaling scales.", "Lower the minimum.", ("SUS02-BP01",)),
        _still_scaling,
    ),
)
"""Each finding with the check that makes it."""


def examine(usage: Usage) -> tuple[list[Finding], list[str]]:
    """Return what did nothing for a fortnight, and what could not be seen with the reason."""
    findings: list[Finding] = []
    unseen: list[str] = []
    for demand, check in CHECKS:
        try:
            findings += [_finding(usage, demand, seen) for seen in check(usage)]
        except (ClientError, BotoCoreError) as error:
            unseen.append(why(error, demand.id))
        except Undecidable:
            unseen.append(f"{demand.id}: a type of resource that it needs was not seen")
    return findings, unseen


def _finding(usage: Usage, demand: Demand, seen: Seen) -> Finding:
    takes = "what it takes is not known"
    if seen.usd:
        takes = f"it takes about {seen.usd[0]:,.2f} to {seen.usd[1]:,.2f} USD a month"
    return Finding(
        demand=demand,
        severity=demand.severity,
        template=usage.template,
        logical_id=seen.resource,
        path=(),
        message=f"{seen.what} in {DAYS} days; {takes} (estimate)",
    )


def judge_regions(
    regions: str | None, *, settings: RuleSettings, rules: Collection[Rule]
) -> Iterator[tuple[Document, Template, Judgement]]:
    """Yield each Region of the caller's account as a template, with what was found in it.

    Parameters
    ----------
    regions
        Names with commas between them; None for the Region of the caller's configuration.
    settings, rules
        As for templates.

    Raises
    ------
    CallError
        If no Region is named, or AWS does not know the credentials.
    """
    session = boto3.Session()
    for region in regions_of(regions):
        caller = Caller(session, region)
        try:
            account = caller.client("sts").get_caller_identity()["Account"]
        except (ClientError, BotoCoreError) as error:
            raise CallError(why(error, "scan --account")) from None
        template = read(caller, f"account {account} in {region}")
        judgement = judge((template,), settings=settings, rules=rules)
        idle, unseen = examine(Usage(caller, template))
        yield (
            Document(template.source, dict(template.body), "", marks={}),
            template,
            replace(
                judgement,
                findings=(*judgement.findings, *idle),
                unseen=(
                    *judgement.unseen,
                    *(Unseen(template=template, location=(), why=text) for text in unseen),
                ),
            ),
        )
