"""Queues, event sources and schedules: what makes functions run."""

from __future__ import annotations

from collections.abc import Iterator

from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import Cases, Outcome, Severity, applies_if, rule
from cfn_sustainability.rules._schedules import minutes_between
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource

_MAPPING = "AWS::Lambda::EventSourceMapping"


@rule(
    "EventSourceBatches",
    _MAPPING,
    severity=Severity.WARNING,
    practices=("SUS03-BP01", "SUS02-BP06"),
    what="A function takes several messages of a queue or stream at once.",
    why="A batch of one pays start, connection and report for each message.",
    fix="Raise BatchSize, with ReportBatchItemFailures so that one bad message does not repeat "
    "the rest.",
    evidence="AWS Lambda Developer Guide, event source mapping batching behavior",
    note="Messages in strict order may have to come one by one.",
    cases=Cases(
        compliant="M: {Type: AWS::Lambda::EventSourceMapping, Properties: {BatchSize: 10}}",
        non_compliant="M: {Type: AWS::Lambda::EventSourceMapping, Properties: {BatchSize: 1}}",
        not_applicable="""
            M:
              Type: AWS::Lambda::EventSourceMapping
              Properties: {BatchSize: 1, EventSourceArn: !GetAtt Q.Arn}
            Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                "M: {Type: AWS::Lambda::EventSourceMapping, Properties: {BatchSize: '1'}}",
            ),
            (
                Outcome.COMPLIANT,
                "M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: ask}}",
            ),
        ),
    ),
)
def _event_source_batches(mapping: Resource, _: RuleSettings) -> Iterator[Fault]:
    queue = mapping.target("EventSourceArn", "AWS::SQS::Queue")
    applies_if(queue is None or not queue.flag("FifoQueue"))
    if mapping.number("BatchSize", 10) == 1:
        yield mapping.fault("BatchSize", "10 or more")


@rule(
    "StreamRetriesBounded",
    _MAPPING,
    severity=Severity.WARNING,
    practices=("SUS03-BP01", "SUS02-BP06"),
    what="A function gives up on a record of a stream that keeps failing.",
    why="By default a bad batch is retried, with all that follows it waiting, until the data "
    "expires.",
    fix="Set MaximumRetryAttempts or MaximumRecordAgeInSeconds, and a destination for what failed.",
    evidence="AWS Lambda Developer Guide, error handling for Kinesis and DynamoDB event sources",
    note="Only streams have a starting position; Kafka's topics have other rules.",
    cases=Cases(
        compliant="""
            M:
              Type: AWS::Lambda::EventSourceMapping
              Properties: {StartingPosition: LATEST, MaximumRetryAttempts: 3}
            """,
        non_compliant="""
            M:
              Type: AWS::Lambda::EventSourceMapping
              Properties: {StartingPosition: LATEST}
            """,
        not_applicable="""
            M:
              Type: AWS::Lambda::EventSourceMapping
              Properties: {StartingPosition: LATEST, Topics: [t]}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                M:
                  Type: AWS::Lambda::EventSourceMapping
                  Properties: {StartingPosition: LATEST, MaximumRetryAttempts: -1}
                """,
            ),
            (
                Outcome.COMPLIANT,
                """
                M:
                  Type: AWS::Lambda::EventSourceMapping
                  Properties: {StartingPosition: LATEST, MaximumRetryAttempts: 0}
                """,
            ),
        ),
    ),
)
def _stream_retries(mapping: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(mapping.has("StartingPosition") and not mapping.has("Topics"))
    limits = ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds")
    if all(mapping.number(limit, -1) == -1 for limit in limits):
        yield mapping.fault("MaximumRetryAttempts", "a few attempts")


@rule(
    "QueueGivesUp",
    "AWS::SQS::Queue",
    severity=Severity.WARNING,
    practices=("SUS03-BP01", "SUS02-BP06"),
    what="A queue that feeds a function sets aside messages that keep failing.",
    why="Without a dead-letter queue a bad message is processed over and over until it "
    "expires, for days.",
    fix="Set RedrivePolicy with a maxReceiveCount of a few attempts.",
    evidence="Amazon SQS Developer Guide, using dead-letter queues",
    note="Nobody knows what else reads the other queues.",
    cases=Cases(
        compliant="""
            Q:
              Type: AWS::SQS::Queue
              Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 3}}
            D: {Type: AWS::SQS::Queue}
            M: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt Q.Arn}}
            """,
        non_compliant="""
            Q: {Type: AWS::SQS::Queue}
            M: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt Q.Arn}}
            """,
        not_applicable="Q: {Type: AWS::SQS::Queue}",
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                Q: {Type: AWS::SQS::Queue, Properties: {QueueName: work}}
                M:
                  Type: AWS::Lambda::EventSourceMapping
                  Properties:
                    EventSourceArn: !Sub "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:work"
                """,
            ),
        ),
    ),
)
def _queue_gives_up(queue: Resource, _: RuleSettings) -> Iterator[Fault]:
    applies_if(any(queue.referrers(_MAPPING, at="EventSourceArn")))
    if not queue.has("RedrivePolicy"):
        yield queue.fault("RedrivePolicy", "a dead-letter queue after a few attempts")


@rule(
    "ScheduleDoesNotPoll",
    "AWS::Events::Rule",
    "AWS::Scheduler::Schedule",
    severity=Severity.WARNING,
    practices=("SUS03-BP01",),
    what="A schedule is not a poll.",
    why="Something that runs every few minutes mostly finds nothing to do; an event runs it "
    "when there is.",
    fix="React to the event itself (EventBridge, S3, SQS), or raise the interval.",
    evidence="Sustainability Pillar: Optimize software and architecture for asynchronous and "
    "scheduled jobs",
    note="A disabled schedule does not run.",
    cases=Cases(
        compliant="""
            S:
              Type: AWS::Scheduler::Schedule
              Properties: {ScheduleExpression: rate(1 hour)}
            """,
        non_compliant="""
            R:
              Type: AWS::Events::Rule
              Properties: {ScheduleExpression: rate(1 minute)}
            """,
        not_applicable="""
            R:
              Type: AWS::Events::Rule
              Properties: {EventPattern: {source: [aws.s3]}}
            """,
        edges=(
            (
                Outcome.NON_COMPLIANT,
                """
                R:
                  Type: AWS::Events::Rule
                  Properties: {ScheduleExpression: 'cron(0/2 8-18 ? * MON-FRI *)'}
                """,
            ),
            (
                Outcome.COMPLIANT,
                "R: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(5 minutes)}}",
            ),
            (
                Outcome.COMPLIANT,
                """
                R:
                  Type: AWS::Events::Rule
                  Properties: {ScheduleExpression: 'cron(0 3 * * ? *)'}
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                S:
                  Type: AWS::Scheduler::Schedule
                  Properties: {ScheduleExpression: 'at(2027-01-01T00:00:00)'}
                """,
            ),
        ),
    ),
)
def _schedule_does_not_poll(schedule: Resource, settings: RuleSettings) -> Iterator[Fault]:
    applies_if(
        schedule.has("ScheduleExpression") and schedule.text("State", "ENABLED") != "DISABLED"
    )
    if minutes_between(schedule.text("ScheduleExpression")) < settings.schedule_minutes_min:
        yield schedule.fault(
            "ScheduleExpression", f"{settings.schedule_minutes_min} minutes or more"
        )
