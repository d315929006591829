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
    note="A queue without an event source mapping is not judged, because its readers are not "
    "known.",
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


@rule(
    "QueuePollsLong",
    "AWS::SQS::Queue",
    severity=Severity.WARNING,
    practices=("SUS03-BP01",),
    what="A queue lets its consumers wait for a message.",
    why="With short polling each empty answer is followed by the next request at once.",
    fix="Set ReceiveMessageWaitTimeSeconds to 20.",
    evidence="Amazon SQS Developer Guide, short and long polling",
    note="A function's event source mapping polls long by itself, and a dead-letter queue is read "
    "by people.",
    cases=Cases(
        compliant="Q: {Type: AWS::SQS::Queue, Properties: {ReceiveMessageWaitTimeSeconds: 20}}",
        non_compliant="Q: {Type: AWS::SQS::Queue, Properties: {ReceiveMessageWaitTimeSeconds: 0}}",
        not_applicable="""
            Q: {Type: AWS::SQS::Queue, Properties: {ReceiveMessageWaitTimeSeconds: 0}}
            M: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt Q.Arn}}
            """,
        edges=(
            (Outcome.COMPLIANT, "Q: {Type: AWS::SQS::Queue}"),
            (
                Outcome.COMPLIANT,
                """
                D: {Type: AWS::SQS::Queue, Properties: {ReceiveMessageWaitTimeSeconds: 0}}
                Q:
                  Type: AWS::SQS::Queue
                  Properties:
                    ReceiveMessageWaitTimeSeconds: 5
                    RedrivePolicy: {deadLetterTargetArn: !GetAtt D.Arn, maxReceiveCount: 3}
                """,
            ),
        ),
    ),
)
def _queue_polls_long(queue: Resource, _: RuleSettings) -> Iterator[Fault]:
    if queue.number("ReceiveMessageWaitTimeSeconds", 20) == 0:
        applies_if(
            queue.is_alone(_MAPPING, at="EventSourceArn")
            and queue.is_alone("AWS::SQS::Queue", at="RedrivePolicy")
        )
        yield queue.fault("ReceiveMessageWaitTimeSeconds", "20")


@rule(
    "CanaryPaced",
    "AWS::Synthetics::Canary",
    severity=Severity.WARNING,
    practices=("SUS03-BP01", "SUS04-BP05"),
    what="A canary of CloudWatch Synthetics runs every five minutes at the most.",
    why="Each run starts a function and a browser, calls the workload, and writes a screenshot, a "
    "log and metrics.",
    fix="Raise the interval in Schedule.Expression to how soon somebody would act.",
    evidence="Amazon CloudWatch User Guide, synthetic monitoring (canaries)",
    note="rate(0 minute) runs once. The limit is schedule_minutes_min.",
    cases=Cases(
        compliant="""
            C:
              Type: AWS::Synthetics::Canary
              Properties: {Schedule: {Expression: rate(15 minutes)}}
            """,
        non_compliant="""
            C:
              Type: AWS::Synthetics::Canary
              Properties: {Schedule: {Expression: rate(1 minute)}}
            """,
        not_applicable="C: {Type: AWS::Synthetics::Group}",
        edges=(
            (
                Outcome.NOT_APPLICABLE,
                """
                C:
                  Type: AWS::Synthetics::Canary
                  Properties: {Schedule: {Expression: rate(0 minute)}}
                """,
            ),
            (
                Outcome.UNKNOWN,
                """
                C:
                  Type: AWS::Synthetics::Canary
                  Properties: {Schedule: {Expression: !ImportValue pace}}
                """,
            ),
        ),
    ),
)
def _canary_paced(canary: Resource, settings: RuleSettings) -> Iterator[Fault]:
    minutes = minutes_between(canary.text("Schedule.Expression"))
    applies_if(minutes > 0)
    if minutes < settings.schedule_minutes_min:
        yield canary.fault(
            "Schedule.Expression", f"{settings.schedule_minutes_min} minutes or more"
        )
