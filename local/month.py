"""Replays a month of traffic into the embedded AWS: hours of questions become metrics and records.

Nothing is asked: the metrics are those that the deployed functions send for such questions, and the
deployed function makes the hourly records of them. AWS takes metrics of the last two weeks only;
the embedded AWS takes older ones, so that a report has a month to show.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3

from local.embedded import Progress
from sustainability.deployment.schema import Deployment
from sustainability.energy.repetition import Repetition
from sustainability.errors import UserError
from sustainability.operate.account import Account
from sustainability.simulation.traffic import Rates, Request, TokenCounts, arrivals

DAYS = 30
_HOUR = timedelta(hours=1)
_OURS = "SustainableGenerativeAI"
_LONGER = 1.35
"""In the first week, prompts are longer by this factor: a report then has a saving to show."""
_REGRESSED_DAYS = 12
"""In so many last days of a month that regresses, prompts and answers are longer."""
_REST_S = 600
"""A collection sleeps after ten minutes without requests."""
_MOST_VALUES = 150
"""Values of one datum of PutMetricData."""
_MOST_DATA = 500
_GROUNDED = 0.9
_NOTHING_FOUND = 0.03
"""Share of questions that the documents say nothing about."""


@dataclass
class Hour:
    """The metric values of one hour, by namespace, name and dimensions."""

    start: datetime
    values: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, namespace: str, dimensions: Mapping[str, str], **metrics: float) -> None:
        """Add one value of each metric."""
        for name, value in metrics.items():
            self.values[namespace, name, tuple(dimensions.items())].append(value)

    def data(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield namespace and datum of PutMetricData."""
        for (namespace, name, dimensions), values in self.values.items():
            for first in range(0, len(values), _MOST_VALUES):
                yield (
                    namespace,
                    {
                        "MetricName": name,
                        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
                        "Timestamp": self.start + _HOUR / 2,
                        "Values": values[first : first + _MOST_VALUES],
                    },
                )


def replay(
    deployment: Deployment, progress: Progress, *, days: int = DAYS, longer: float = 0
) -> int:
    """Fill the last ``days`` days; return the number of questions. Again, it changes nothing.

    With ``longer``, prompts and answers of the last 12 days are longer by this share, so that a
    target has a deviation to tell of. In the end, the days are judged beside the targets.

    Raises
    ------
    UserError
        If the deployment is not there, has an endpoint of its own, or has a month already.
    """
    account = Account(deployment)
    recorder, settings = _function(account, "operations.handler.handler")
    sources = json.loads(settings["SOURCES"])
    if sources.get("endpoint"):
        raise UserError(
            f"{deployment.name} has an endpoint of its own, whose instances a replay cannot fill; "
            "take a deployment that Bedrock answers, such as local or examples/vectors"
        )
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    first = until - timedelta(days=days)
    recorded = {record["hour"] for record in account.history(first)}
    if f"{first + _HOUR:%Y-%m-%dT%H:%M:%SZ}" in recorded:
        raise UserError(f"{deployment.name} has a month already; look at it with `report`")
    sent = set(_function(account, "rag.answer_handler.handler")[1]["METRICS"].split())
    cloudwatch, functions = boto3.client("cloudwatch"), boto3.client("lambda")
    asked = 0
    for number, (hour, questions) in enumerate(_hours(deployment, first, days, longer)):
        progress(f"{hour:%d %B %H:00}: {asked:,} questions")
        _send(cloudwatch, metrics(deployment, hour, questions, sources, sent, seed=number))
        _run(functions, recorder, {"hour": f"{hour:%Y-%m-%dT%H:%M:%SZ}"})
        asked += len(questions)
    _run(functions, recorder, {})
    return asked


def _run(functions: Any, recorder: str, event: Mapping[str, str]) -> None:
    answer = functions.invoke(FunctionName=recorder, Payload=json.dumps(event))
    if "FunctionError" in answer:
        raise UserError(f"the hourly record failed: {answer['Payload'].read().decode()[:500]}")


def alarms() -> dict[str, list[str]]:
    """Return the names of the alarms by their state."""
    found: dict[str, list[str]] = defaultdict(list)
    for page in boto3.client("cloudwatch").get_paginator("describe_alarms").paginate():
        for alarm in (*page["MetricAlarms"], *page["CompositeAlarms"]):
            found[alarm["StateValue"]].append(alarm["AlarmName"])
    return dict(found)


def metrics(
    deployment: Deployment,
    start: datetime,
    questions: list[Request],
    sources: Mapping[str, Any],
    sent: set[str],
    *,
    seed: int,
) -> Hour:
    """Return what the functions and services send in an hour with these questions."""
    random_, repetition = random.Random(seed), Repetition.of(deployment)
    hour, ours = Hour(start), {"Deployment": deployment.name, "service": "answer"}
    awake: set[int] = set()
    for question in questions:
        repeated = random_.random()
        cached = repeated < repetition.kept
        seconds = 0.05
        values: dict[str, float] = {"Questions": 1, "CacheHits": int(cached), "MemoryUsed": 180.0}
        if cached:
            values["Abstentions"] = 0
        if repeated >= repetition.unsearched:
            found = random_.random() >= _NOTHING_FOUND
            searching = random_.lognormvariate(4.6, 0.3)
            seconds = searching / 1000 + 0.1
            now = int(question.time % 3600 // 60)
            awake |= set(range(now, min(60, now + _REST_S // 60)))
            values |= {
                "EmbeddingTokens": 20,
                "EmbeddingLatency": 80.0,
                "RetrievalLatency": searching,
                "NothingFound": int(not found),
            }
        if not cached:
            generating = 0.5 + 0.0125 * question.output_tokens if found else 0.0
            seconds += generating
            values |= {
                "InputTokens": round(question.input_tokens) if found else 0,
                "OutputTokens": round(question.output_tokens) if found else 0,
                "Abstentions": int(not found),
                "OutputTruncated": int(question.output_tokens >= deployment.answers.max_tokens),
                "EndpointAnswers": 0,
                "BedrockAnswers": int(found and deployment.answers.generated),
            }
            if found:
                values |= {"GenerationLatency": 1000 * generating, "Grounded": _GROUNDED}
        hour.add(_OURS, ours, **{name: value for name, value in values.items() if name in sent})
        invoked = {"FunctionName": sources["answer"]}
        hour.add("AWS/Lambda", invoked, Duration=1000 * seconds, Invocations=1, Errors=0)
    if sources.get("group"):
        group = {
            "ClientId": sources["account"],
            "CollectionGroupId": sources["group_id"],
            "CollectionGroupName": sources["group"],
        }
        for _ in awake:
            hour.add("AWS/AOSS", group, SearchOCU=1)
        if "StoreAwakeSeconds" in sent and awake:
            hour.add(_OURS, ours, StoreAwakeSeconds=60.0 * len(awake))
    return hour


def _hours(
    deployment: Deployment, first: datetime, days: int, longer: float = 0
) -> Iterator[tuple[datetime, list[Request]]]:
    """Yield each hour with its questions: the declared traffic.

    Prompts get shorter after the first week; or all gets longer in the last days.
    """
    zone, week = ZoneInfo(deployment.traffic.timezone), deployment.traffic.week()
    hours = [first + _HOUR * number for number in range(days * 24)]
    local = [hour.astimezone(zone) for hour in hours]
    rates = Rates(3600, tuple(week[at.weekday() * 24 + at.hour].mean_per_hour for at in local))
    traffic = deployment.traffic
    declared = TokenCounts(
        traffic.input_tokens, traffic.output_tokens, deployment.answers.max_tokens
    )
    asked: dict[int, list[Request]] = defaultdict(list)
    for request in arrivals(rates, declared, seed=7):
        day, read, written = request.time / 86400, request.input_tokens, request.output_tokens
        if longer and day >= days - _REGRESSED_DAYS:
            read, written = read * (1 + longer), written * (1 + longer)
        elif not longer and day < 7:
            read *= _LONGER
        asked[int(request.time // 3600)].append(Request(request.time, read, written))
    for number, hour in enumerate(hours):
        yield hour, asked[number]


def _send(cloudwatch: Any, hour: Hour) -> None:
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for namespace, datum in hour.data():
        calls[namespace].append(datum)
    for namespace, data in calls.items():
        for first in range(0, len(data), _MOST_DATA):
            cloudwatch.put_metric_data(
                Namespace=namespace, MetricData=data[first : first + _MOST_DATA]
            )


def _function(account: Account, handler: str) -> tuple[str, dict[str, str]]:
    """Return name and environment of the function with this handler."""
    client = boto3.client("lambda")
    for name in account.functions():
        found = client.get_function_configuration(FunctionName=name)
        if found["Handler"] == handler:
            return name, found["Environment"]["Variables"]
    raise UserError(f"no function {handler} is deployed; run `make up`")
