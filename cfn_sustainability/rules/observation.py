"""What is measured and written down more finely than anybody looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault, Properties
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_MONITORING = {
    "AWS::EC2::Instance": ("Monitoring", False),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateData.Monitoring.Enabled", False),
    "AWS::AutoScaling::LaunchConfiguration": ("InstanceMonitoring", True),
}
"""Where a machine says whether it is measured each minute, and what it does by default."""
_FREE_INSIGHTS_DAYS = 7
_OS_METRICS_SECONDS = 30


def _alarm(properties: str) -> str:
    return f"A: {{Type: AWS::CloudWatch::Alarm, Properties: {{{properties}}}}}"


def _flow_log(properties: str) -> str:
    return f"F: {{Type: AWS::EC2::FlowLog, Properties: {{ResourceId: v, {properties}}}}}"


def _cluster(value: str) -> str:
    return f"""
C:
  Type: AWS::ECS::Cluster
  Properties: {{ClusterSettings: [{{Name: containerInsights, Value: {value}}}]}}
"""


def _database(properties: str) -> str:
    return f"D: {{Type: AWS::RDS::DBInstance, Properties: {{{properties}}}}}"


@rule(
    "MachineMonitoringBasic",
    *_MONITORING,
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS03-BP02"),
    what="A machine is measured every five minutes, unless something acts on each minute.",
    why="Detailed monitoring writes and keeps five times as many values.",
    fix="Set Monitoring to false; of a launch configuration, InstanceMonitoring.",
    evidence="Amazon EC2 User Guide, detailed monitoring",
    note="A group that scales by the minute needs it: acknowledge it there. Of a launch "
    "configuration it is the default.",
    cases=Cases(
        compliant="I: {Type: AWS::EC2::Instance, Properties: {Monitoring: false}}",
        non_compliant="I: {Type: AWS::EC2::Instance, Properties: {Monitoring: true}}",
        not_applicable="V: {Type: AWS::EC2::Volume}",
        edges=(
            (Outcome.COMPLIANT, "I: {Type: AWS::EC2::Instance}"),
            (Outcome.NON_COMPLIANT, "L: {Type: AWS::AutoScaling::LaunchConfiguration}"),
            (
                Outcome.NON_COMPLIANT,
                """
                L:
                  Type: AWS::EC2::LaunchTemplate
                  Properties: {LaunchTemplateData: {Monitoring: {Enabled: 'true'}}}
                """,
            ),
        ),
    ),
)
def _machine_monitoring(machine: Resource, _: RuleSettings) -> Iterator[Fault]:
    path, default = _MONITORING[machine.type]
    if machine.flag(path, default):
        yield machine.fault(path, "false")


@rule(
    "AlarmPeriodWhole",
    "AWS::CloudWatch::Alarm",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS05-BP01"),
    what="An alarm looks once a minute at the most.",
    why="An alarm of 10, 20 or 30 seconds is evaluated up to six times as often, and needs metrics "
    "as fine.",
    fix="Set Period to 60 or more.",
    evidence="Amazon CloudWatch User Guide, high-resolution alarms",
    note="Where seconds matter, acknowledge it.",
    cases=Cases(
        compliant=_alarm("MetricName: m, Period: 60"),
        non_compliant=_alarm("MetricName: m, Period: 10"),
        not_applicable="A: {Type: AWS::CloudWatch::CompositeAlarm}",
        edges=(
            (Outcome.NON_COMPLIANT, _alarm("Metrics: [{Id: a, MetricStat: {Period: '30'}}]")),
            (Outcome.COMPLIANT, _alarm("Metrics: [{Id: a, Expression: b * 2}]")),
            (Outcome.NON_COMPLIANT, _alarm("Metrics: [{Id: a, Expression: b, Period: 10}]")),
            (Outcome.UNKNOWN, _alarm("Period: !ImportValue period")),
        ),
    ),
)
def _alarm_period(alarm: Resource, _: RuleSettings) -> Iterator[Fault]:
    places: list[tuple[Properties, str]] = [(alarm, "Period")]
    for metric in alarm.each("Metrics"):
        places += [(metric, "Period"), (metric, "MetricStat.Period")]
    for holder, path in places:
        if holder.number(path, 60) < 60:
            yield holder.fault(path, "60")


@rule(
    "FlowLogsLean",
    "AWS::EC2::FlowLog",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS04-BP02"),
    what="Flow logs are kept as files, of ten minutes each or of what was rejected.",
    why="Every connection of every minute in CloudWatch Logs is taken in, indexed and stored, and "
    "hardly ever read.",
    fix="Deliver to S3 as parquet, keep MaxAggregationInterval at 600, or log REJECT alone.",
    evidence="Amazon VPC User Guide, logging IP traffic using VPC flow logs",
    note="CloudWatch Logs is the default. A transit gateway has no choice of traffic.",
    cases=Cases(
        compliant=_flow_log("TrafficType: ALL, LogDestinationType: s3, LogDestination: b"),
        non_compliant=_flow_log("TrafficType: ALL, LogGroupName: g"),
        not_applicable="V: {Type: AWS::EC2::VPC}",
        edges=(
            (Outcome.COMPLIANT, _flow_log("TrafficType: REJECT, LogGroupName: g")),
            (
                Outcome.NON_COMPLIANT,
                _flow_log("TrafficType: ALL, LogDestinationType: s3, MaxAggregationInterval: 60"),
            ),
            (Outcome.UNKNOWN, _flow_log("TrafficType: !ImportValue traffic, LogGroupName: g")),
        ),
    ),
)
def _flow_logs(log: Resource, _: RuleSettings) -> Iterator[Fault]:
    rejected = log.text("TrafficType") == "REJECT"
    into_logs = log.text("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
    if into_logs and not rejected:
        found = "sends every connection to CloudWatch Logs"
        yield log.fault("LogDestinationType", "s3", found=found)
    of_vpc = not log.fragment("ResourceType").startswith("TransitGateway")
    if of_vpc and not rejected and log.number("MaxAggregationInterval", 600) < 600:
        yield log.fault("MaxAggregationInterval", "600")


@rule(
    "ContainerInsightsBasic",
    "AWS::ECS::Cluster",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS03-BP02"),
    what="A cluster of containers is not measured task by task.",
    why="Enhanced insights write metrics for each task and each container; most are never looked "
    "at.",
    fix="Set containerInsights to enabled or disabled, and to enhanced while you look for a fault.",
    evidence="Amazon CloudWatch User Guide, Container Insights",
    note="Each setting is judged by itself.",
    cases=Cases(
        compliant=_cluster("enabled"),
        non_compliant=_cluster("enhanced"),
        not_applicable="C: {Type: AWS::ECS::Service}",
        edges=((Outcome.COMPLIANT, "C: {Type: AWS::ECS::Cluster}"),),
    ),
)
def _container_insights(cluster: Resource, _: RuleSettings) -> Iterator[Fault]:
    for setting in cluster.each("ClusterSettings"):
        if setting.text("Name") == "containerInsights" and setting.text("Value") == "enhanced":
            yield setting.fault("Value", "enabled or disabled")


@rule(
    "DatabaseInsightsBasic",
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBCluster",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS03-BP02"),
    what="A database is measured as finely, and for as long, as its metrics are used.",
    why="Advanced insights keep 15 months of every statement's counters; enhanced monitoring below "
    "30 seconds writes a document of all processes each time.",
    fix="Set DatabaseInsightsMode to standard, PerformanceInsightsRetentionPeriod to 7, "
    "MonitoringInterval to 0, 30 or 60.",
    evidence="Amazon RDS User Guide, Database Insights; OS metrics in Enhanced Monitoring",
    note="Seven days are the shortest retention.",
    cases=Cases(
        compliant=_database("DatabaseInsightsMode: standard, MonitoringInterval: 60"),
        non_compliant=_database("DatabaseInsightsMode: advanced"),
        not_applicable="D: {Type: AWS::DocDB::DBInstance}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _database(
                    "EnablePerformanceInsights: true, PerformanceInsightsRetentionPeriod: 731"
                ),
            ),
            (Outcome.COMPLIANT, _database("PerformanceInsightsRetentionPeriod: '7'")),
            (Outcome.NON_COMPLIANT, _database("MonitoringInterval: 1")),
            (
                Outcome.NON_COMPLIANT,
                "D: {Type: AWS::RDS::DBCluster, Properties: {MonitoringInterval: 5}}",
            ),
        ),
    ),
)
def _database_insights(database: Resource, _: RuleSettings) -> Iterator[Fault]:
    advanced = database.text("DatabaseInsightsMode") == "advanced"
    if advanced:
        yield database.fault("DatabaseInsightsMode", "standard")
    days = database.number("PerformanceInsightsRetentionPeriod", _FREE_INSIGHTS_DAYS)
    if days > _FREE_INSIGHTS_DAYS and not advanced:  # the advanced mode demands 465 days
        yield database.fault("PerformanceInsightsRetentionPeriod", f"{_FREE_INSIGHTS_DAYS} days")
    if 0 < database.number("MonitoringInterval", 0) < _OS_METRICS_SECONDS:
        yield database.fault("MonitoringInterval", f"0, or {_OS_METRICS_SECONDS} and more")


@rule(
    "StreamMetricsBasic",
    "AWS::Kinesis::Stream",
    "AWS::MSK::Cluster",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS03-BP02"),
    what="A stream is not measured shard by shard or partition by partition.",
    why="Each shard, topic or partition writes metrics of its own, every minute.",
    fix="Leave DesiredShardLevelMetrics out; set EnhancedMonitoring to DEFAULT or PER_BROKER.",
    evidence="Amazon Kinesis Data Streams Developer Guide, enhanced shard-level metrics",
    note="Switch them on while you look for a hot shard.",
    cases=Cases(
        compliant="S: {Type: AWS::Kinesis::Stream}",
        non_compliant="""
            S: {Type: AWS::Kinesis::Stream, Properties: {DesiredShardLevelMetrics: [IncomingBytes]}}
            """,
        not_applicable="S: {Type: AWS::Kinesis::StreamConsumer}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                M:
                  Type: AWS::MSK::Cluster
                  Properties: {EnhancedMonitoring: PER_TOPIC_PER_PARTITION}
                """,
            ),
            (
                Outcome.COMPLIANT,
                "M: {Type: AWS::MSK::Cluster, Properties: {EnhancedMonitoring: PER_BROKER}}",
            ),
        ),
    ),
)
def _stream_metrics(stream: Resource, _: RuleSettings) -> Iterator[Fault]:
    if stream.type == "AWS::Kinesis::Stream":
        if stream.each("DesiredShardLevelMetrics"):
            yield stream.fault("DesiredShardLevelMetrics", "none")
    elif stream.text("EnhancedMonitoring").startswith("PER_TOPIC"):
        yield stream.fault("EnhancedMonitoring", "DEFAULT or PER_BROKER")


@rule(
    "TracesSampled",
    "AWS::XRay::SamplingRule",
    "AWS::XRay::TransactionSearchConfig",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="Traces are taken of a sample of the requests.",
    why="A trace of every request writes and keeps several times as much as the request itself.",
    fix="Set FixedRate to 0.05, or IndexingPercentage to 1.",
    evidence="AWS X-Ray Developer Guide, configuring sampling rules",
    note="A tenth or less passes.",
    cases=Cases(
        compliant="""
            R:
              Type: AWS::XRay::SamplingRule
              Properties: {SamplingRule: {FixedRate: 0.05, ReservoirSize: 1}}
            """,
        non_compliant="""
            R:
              Type: AWS::XRay::SamplingRule
              Properties: {SamplingRule: {FixedRate: 1.0, ReservoirSize: 1}}
            """,
        not_applicable="R: {Type: AWS::XRay::Group}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                T:
                  Type: AWS::XRay::TransactionSearchConfig
                  Properties: {IndexingPercentage: 100}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                R:
                  Type: AWS::XRay::SamplingRule
                  Properties: {SamplingRule: {FixedRate: '0.1'}}
                """,
            ),
        ),
    ),
)
def _traces_sampled(sampling: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(sampling.has("SamplingRule") or sampling.has("IndexingPercentage"))
    if sampling.number("SamplingRule.FixedRate", 0) > 0.1:
        yield sampling.fault("SamplingRule.FixedRate", "at most 0.1")
    if sampling.number("IndexingPercentage", 0) > 10:
        yield sampling.fault("IndexingPercentage", "at most 10")


@rule(
    "MetricStreamFiltered",
    "AWS::CloudWatch::MetricStream",
    severity=Severity.WARNING,
    practices=("SUS04-BP05", "SUS03-BP02"),
    what="A metric stream sends only the metrics that are used.",
    why="Without a filter it sends every metric of the account, each minute.",
    fix="Name the namespaces that are looked at in IncludeFilters.",
    evidence="Amazon CloudWatch User Guide, metric streams",
    note="An exclusion is a filter, too.",
    cases=Cases(
        compliant="""
            M:
              Type: AWS::CloudWatch::MetricStream
              Properties: {IncludeFilters: [{Namespace: AWS/Lambda}]}
            """,
        non_compliant="""
            M: {Type: AWS::CloudWatch::MetricStream, Properties: {OutputFormat: json}}
            """,
        not_applicable="M: {Type: AWS::CloudWatch::Dashboard}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "M: {Type: AWS::CloudWatch::MetricStream, Properties: {IncludeFilters: []}}",
            ),
            (
                Outcome.COMPLIANT,
                """
                M:
                  Type: AWS::CloudWatch::MetricStream
                  Properties: {ExcludeFilters: [{Namespace: AWS/EC2}]}
                """,
            ),
        ),
    ),
)
def _metric_stream(stream: Resource, _: RuleSettings) -> Iterator[Fault]:
    if not stream.each("IncludeFilters") and not stream.each("ExcludeFilters"):
        yield stream.fault("IncludeFilters", "the namespaces that are looked at")


def _trail(selectors: str) -> str:
    return f"""
T:
  Type: AWS::CloudTrail::Trail
  Properties: {{IsLogging: true, S3BucketName: b, {selectors}}}
"""


_ALL_DATA = ("arn:aws:s3", "arn:aws:s3:::", "arn:aws:lambda", "arn:aws:dynamodb")


@rule(
    "TrailEventsSelective",
    "AWS::CloudTrail::Trail",
    severity=Severity.WARNING,
    practices=("SUS04-BP05",),
    what="A trail of AWS CloudTrail records data events of the resources that need it.",
    why="Data events of a whole account write one record for each object read, written or function "
    "called.",
    fix="Name the buckets or functions that must be traced, in Values or by resources.ARN.",
    evidence="AWS CloudTrail User Guide, logging data events",
    note="Management events pass.",
    cases=Cases(
        compliant=_trail(
            "EventSelectors: [{DataResources: [{Type: 'AWS::S3::Object', "
            "Values: ['arn:aws:s3:::ledger/']}]}]"
        ),
        non_compliant=_trail(
            "EventSelectors: [{DataResources: [{Type: 'AWS::S3::Object', Values: ['arn:aws:s3']}]}]"
        ),
        not_applicable=_trail("EnableLogFileValidation: true"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _trail(
                    "AdvancedEventSelectors: [{FieldSelectors: ["
                    "{Field: eventCategory, Equals: [Data]}, "
                    "{Field: resources.type, Equals: ['AWS::S3::Object']}]}]"
                ),
            ),
            (
                Outcome.COMPLIANT,
                _trail(
                    "AdvancedEventSelectors: [{FieldSelectors: ["
                    "{Field: eventCategory, Equals: [Data]}, "
                    "{Field: resources.ARN, StartsWith: ['arn:aws:s3:::ledger/']}]}]"
                ),
            ),
        ),
    ),
)
def _trail_events(trail: Resource, _: RuleSettings) -> Iterator[Fault]:
    basic, advanced = trail.each("EventSelectors"), trail.each("AdvancedEventSelectors")
    applies_if(bool(basic or advanced))
    for selector in basic:
        for data in selector.each("DataResources"):
            if any(value in _ALL_DATA for value in data.texts("Values")):
                yield data.fault("Values", "the resources that need it")
    for selector in advanced:
        fields = {field.text("Field"): field for field in selector.each("FieldSelectors")}
        category = fields.get("eventCategory")
        wide = not {"resources.ARN", "eventName"} & fields.keys()
        if wide and category is not None and category.texts("Equals") == ["Data"]:
            yield selector.fault("FieldSelectors", "resources.ARN", found="selects all resources")
