"""Amazon Kinesis and Amazon MQ: shards and brokers that are on whether or not anything flows."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_STREAM = "AWS::Kinesis::Stream"
_ON_DEMAND_SHARDS = 4
"""What an on-demand stream holds ready from its start: 4 MB of writes a second."""
_WEEK_HOURS = 168
_OLD_BROKERS = ("mq.m4.", "mq.t2.")
_X86_BROKERS = ("mq.m5.", "mq.m7i.")


def _stream(properties: str) -> str:
    return f"S: {{Type: {_STREAM}, Properties: {{{properties}}}}}"


def _broker(engine: str, kind: str) -> str:
    return f"""
B:
  Type: AWS::AmazonMQ::Broker
  Properties: {{EngineType: {engine}, HostInstanceType: {kind}}}
"""


@rule(
    "StreamRetentionShort",
    _STREAM,
    severity=Severity.WARNING,
    practices=("SUS04-BP03", "MLSUS03-BP02"),
    what="A stream keeps its records for a week at the most.",
    why="A stream keeps every record ready to be read at once; what is kept longer than a week is "
    "an archive.",
    fix="Lower RetentionPeriodHours to what a consumer may lag behind, and archive to S3 with "
    "Amazon Data Firehose.",
    evidence="Amazon Kinesis Data Streams Developer Guide, changing the data retention period",
    note="The default is 24 hours.",
    cases=Cases(
        compliant=_stream("RetentionPeriodHours: 168"),
        non_compliant=_stream("RetentionPeriodHours: 8760"),
        not_applicable="S: {Type: AWS::Kinesis::StreamConsumer}",
        edges=(
            (Outcome.NON_COMPLIANT, _stream("RetentionPeriodHours: '169'")),
            (Outcome.COMPLIANT, _stream("StreamModeDetails: {StreamMode: ON_DEMAND}")),
            (Outcome.UNKNOWN, _stream("RetentionPeriodHours: !ImportValue hours")),
        ),
    ),
)
def _stream_retention(stream: Resource, _: RuleSettings) -> Iterator[Fault]:
    if stream.number("RetentionPeriodHours", 24) > _WEEK_HOURS:
        yield stream.fault("RetentionPeriodHours", f"at most {_WEEK_HOURS}")


@rule(
    "StreamScales",
    _STREAM,
    severity=Severity.WARNING,
    practices=("SUS02-BP01", "GENSUS02-BP01"),
    what="A stream's capacity follows what flows.",
    why="Provisioned shards are sized for the peak and are on all the time.",
    fix="Set StreamModeDetails.StreamMode to ON_DEMAND, and drop ShardCount.",
    evidence="Amazon Kinesis Data Streams Developer Guide, choosing the data stream capacity mode",
    note="Up to four shards are no more than an on-demand stream holds ready.",
    cases=Cases(
        compliant=_stream("ShardCount: 4"),
        non_compliant=_stream("ShardCount: 50"),
        not_applicable=_stream("StreamModeDetails: {StreamMode: ON_DEMAND}"),
        edges=(
            (
                Outcome.NON_COMPLIANT,
                _stream("StreamModeDetails: {StreamMode: PROVISIONED}, ShardCount: '5'"),
            ),
            (Outcome.UNKNOWN, _stream("ShardCount: !ImportValue shards")),
        ),
    ),
)
def _stream_scales(stream: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(stream.text("StreamModeDetails.StreamMode", "PROVISIONED") == "PROVISIONED")
    if stream.number("ShardCount", 1) > _ON_DEMAND_SHARDS:
        yield stream.fault("ShardCount", "StreamMode ON_DEMAND")


@rule(
    "BrokerCurrent",
    "AWS::AmazonMQ::Broker",
    severity=Severity.WARNING,
    practices=("SUS05-BP02", "SUS06-BP03"),
    what="A message broker does not run on an old generation of machines.",
    why="Old generations use more energy for the same work than those that replaced them.",
    fix="Choose mq.m7g for RabbitMQ, mq.m5 for ActiveMQ, or mq.t3.micro for trials.",
    evidence="Amazon MQ Developer Guide, broker instance types",
    note="Old are m4 and t2.",
    cases=Cases(
        compliant=_broker("ACTIVEMQ", "mq.m5.large"),
        non_compliant=_broker("ACTIVEMQ", "mq.m4.large"),
        not_applicable="B: {Type: AWS::AmazonMQ::Configuration}",
        edges=(
            (Outcome.NON_COMPLIANT, _broker("ACTIVEMQ", "mq.t2.micro")),
            (Outcome.UNKNOWN, _broker("ACTIVEMQ", "!ImportValue size")),
        ),
    ),
)
def _broker_current(broker: Resource, settings: RuleSettings) -> Iterator[Fault]:
    name = broker.text("HostInstanceType")
    if name.startswith(_OLD_BROKERS) and name not in settings.allowed_instances:
        yield broker.fault("HostInstanceType", "a current generation")


@rule(
    "BrokerGraviton",
    "AWS::AmazonMQ::Broker",
    severity=Severity.WARNING,
    practices=("SUS05-BP02",),
    what="A RabbitMQ broker runs on Graviton.",
    why="The service runs the same engine on both; a Graviton type does the work with less energy.",
    fix="Choose mq.m7g, on a version of RabbitMQ that the service offers there.",
    evidence="Amazon MQ Developer Guide, broker instance types",
    note="ActiveMQ and the small mq.t3.micro run on x86 alone.",
    cases=Cases(
        compliant=_broker("RABBITMQ", "mq.m7g.large"),
        non_compliant=_broker("RABBITMQ", "mq.m5.large"),
        not_applicable=_broker("ACTIVEMQ", "mq.m5.large"),
        edges=(
            (Outcome.COMPLIANT, _broker("RabbitMQ", "mq.t3.micro")),
            (Outcome.NON_COMPLIANT, _broker("RabbitMQ", "mq.m5.xlarge")),
        ),
    ),
)
def _broker_graviton(broker: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(broker.text("EngineType").upper() == "RABBITMQ")
    name = broker.text("HostInstanceType")
    if name.startswith(_X86_BROKERS) and name not in settings.allowed_instances:
        yield broker.fault("HostInstanceType", "a type of mq.m7g")


_S3_DESTINATIONS = ("ExtendedS3DestinationConfiguration", "S3DestinationConfiguration")


def _delivery(destination: str) -> str:
    return f"""
D:
  Type: AWS::KinesisFirehose::DeliveryStream
  Properties: {{ExtendedS3DestinationConfiguration: {{BucketARN: b, {destination}}}}}
"""


@rule(
    "DeliveryStreamCompresses",
    "AWS::KinesisFirehose::DeliveryStream",
    severity=Severity.WARNING,
    practices=("SUS04-BP07", "GENSUS02-BP01"),
    what="A delivery stream of Amazon Data Firehose compresses what it writes to Amazon S3.",
    why="Records of text shrink to a fraction; without compression each is sent, stored and read "
    "in full.",
    fix="Set CompressionFormat to GZIP, or convert the records to Parquet or ORC with "
    "DataFormatConversionConfiguration.",
    evidence="Amazon Data Firehose Developer Guide, configure destination settings",
    note="The default is UNCOMPRESSED. Records that arrive compressed gain nothing.",
    cases=Cases(
        compliant=_delivery("CompressionFormat: GZIP"),
        non_compliant=_delivery("CompressionFormat: UNCOMPRESSED"),
        not_applicable="""
            D:
              Type: AWS::KinesisFirehose::DeliveryStream
              Properties: {HttpEndpointDestinationConfiguration: {S3Configuration: {}}}
            """,
        edges=(
            (Outcome.NON_COMPLIANT, _delivery("Prefix: logs/")),
            (
                Outcome.COMPLIANT,
                _delivery("DataFormatConversionConfiguration: {Enabled: true}"),
            ),
            (Outcome.UNKNOWN, _delivery("CompressionFormat: !ImportValue format")),
        ),
    ),
)
def _delivery_compresses(stream: Resource, _: RuleSettings) -> Iterator[Fault]:
    destinations = [path for path in _S3_DESTINATIONS if stream.has(path)]
    applies_if(bool(destinations))
    for path in destinations:
        plain = stream.text(f"{path}.CompressionFormat", "UNCOMPRESSED") == "UNCOMPRESSED"
        if plain and not stream.flag(f"{path}.DataFormatConversionConfiguration.Enabled"):
            yield stream.fault(f"{path}.CompressionFormat", "GZIP")
