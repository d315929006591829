"""Every alarm of every mode is seen to rest without data, to come on, and to go off again.

The cases come from the alarms as deployed: what they ask of which metric over how long. The table
below says only which values are bad and which are good.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3

from local import processes
from local.embedded import EmbeddedAws
from sustainability.operate.cdk import Cdk
from sustainability.plan.serving import plan_serving
from tests.e2e.conftest import LOCAL, ROOT, listening, put_compiled, quiet
from tests.e2e.monitored import deployments

Values = dict[str, float | tuple[float, int]]
"""By metric: a value, or a value and how often it occurs; of a metric left out there is no data."""

CPU, DONE, HARD = "CPUUtilization", "ExecutionsCompleted", "ExecutionErrorsHardware"
KINDS = [
    f"ExecutionErrors{kind}" for kind in ("Model", "Numerical", "Runtime", "Transient", "Generic")
]
NO_THROTTLES = {"Throttles": 0.0, "InvocationThrottles": 0.0}
CASES: dict[str, tuple[Values, Values]] = {
    "AnswerErrors": ({"Questions": 10, "Errors": 10}, {"Questions": 100, "Errors": 0}),
    "AnswerLatency": ({"AnswerLatency": (1e6, 10)}, {"AnswerLatency": (1, 10)}),
    "Throttles": (
        {"Throttles": 1e3, "InvocationThrottles": 1e3, "Questions": 10},
        {**NO_THROTTLES, "Questions": 10},
    ),
    "NothingFound": (
        {"NothingFound": 12, "RetrievalLatency": (100, 12)},
        {"NothingFound": 12, "RetrievalLatency": (100, 60)},
    ),
    "LegacyModel": ({"LegacyModelInvocations": 1}, {"LegacyModelInvocations": 0}),
    "NothingAnswered": ({"Deferred": 5}, {"Deferred": 5, "AnswerLatency": (100, 5)}),
    "DeadLetters": (
        {"ApproximateNumberOfMessagesVisible": 1},
        {"ApproximateNumberOfMessagesVisible": 0},
    ),
    "IngestLag": (
        {"ApproximateAgeOfOldestMessage": 1e5, "ApproximateNumberOfMessagesVisible": 100},
        # It waits for another try.
        {"ApproximateAgeOfOldestMessage": 1e5, "ApproximateNumberOfMessagesVisible": 0},
    ),
    "Errors": ({"Invocation5XXErrors": 1}, {"Invocation5XXErrors": 0}),
    "EndpointRefusals": ({"Invocation4XXErrors": 1}, {"Invocation4XXErrors": 0}),
    "EndpointLatency": ({"ModelLatency": 1e9}, {"ModelLatency": 1e3}),
    "NoCapacityLasts": (
        {"NoCapacityInvocationFailures": 1e4, "Invocations": 1e4},
        {"NoCapacityInvocationFailures": 0, "Invocations": 1e4},
    ),
    "BacklogAge": ({"ApproximateAgeOfOldestRequest": 1e6}, {"ApproximateAgeOfOldestRequest": 1}),
    "WindowFailed": (
        {"ExecutionsFailed": 1},
        {"ExecutionsFailed": 0, "ExecutionsTimedOut": 0, "ExecutionsAborted": 0},
    ),
    "OutputTruncated": (
        {"OutputTruncated": 10, "BedrockAnswers": 10, "EndpointAnswers": 0},
        {"OutputTruncated": 0, "BedrockAnswers": 10, "EndpointAnswers": 0},
    ),
    "InputOverBudget": ({"InputTokens": 1e5}, {"InputTokens": 10}),
    "CacheCollapsed": ({"Questions": 100, "CacheHits": 0}, {"Questions": 100, "CacheHits": 90}),
    "LogVolume": ({"IncomingBytes": 1e7, "Questions": 9}, {"IncomingBytes": 100, "Questions": 9}),
    "AnswerMemory": ({"MemoryUsed": 1}, {"MemoryUsed": 200}),
    "IngestMemory": ({"MemoryUsed": 1}, {"MemoryUsed": 200}),
    "EmbeddedAgain": ({"ChunksEmbedded": 1e9}, {"ChunksEmbedded": 1}),
    "StoreAwake": (
        {"SearchOCU": 2, "IndexingOCU": 2, CPU: 3},
        {"SearchOCU": 2, "IndexingOCU": 2, CPU: 3, "Questions": 1},
    ),
    "StoreOversized": (
        {CPU: (9, 5), "JVMMemoryPressure": 5},
        {CPU: (9, 5), "JVMMemoryPressure": 80},
    ),
    "UtilizationLow": (
        {CPU: (9, 20), "NeuronCoreUtilization": 0},
        {CPU: (9, 20), "NeuronCoreUtilization": 95},
    ),
    "BelowBreakEven": (
        {CPU: (9, 5), "GenerationLatency": (900, 1)},
        {CPU: (9, 5), "GenerationLatency": (900, 500)},
    ),
    "AwakeWithoutWork": (
        {CPU: (9, 5), "InvocationsProcessed": 0},
        {CPU: (9, 5), "InvocationsProcessed": 5},
    ),
    "DeviceMemoryUnused": (
        {"NeuronDeviceMemoryUsed": 1, "NeuronDeviceMemoryProvisioned": 100, DONE: 9},
        {"NeuronDeviceMemoryUsed": 90, "NeuronDeviceMemoryProvisioned": 100, DONE: 9},
    ),
    "ProcessorsIdle": (
        {"SystemVcpuUtilization": 1, DONE: 9},
        {"SystemVcpuUtilization": 50, DONE: 9},
    ),
    "RecordFailing": ({"Errors": 1}, {"Errors": 0}),
    "HardwareErrors": ({HARD: 1, "EccEventsUncorrected": 1}, {HARD: 0, "EccEventsUncorrected": 0}),
    "ExecutionErrors": (
        {**dict.fromkeys(KINDS, 1.0), DONE: 9},
        {**dict.fromkeys(KINDS, 0.0), DONE: 9},
    ),
    "ExecutionLatency": ({"ExecutionLatencyP99": 1e6}, {"ExecutionLatencyP99": 1}),
    "MonitorSilent": ({CPU: (9, 5)}, {CPU: (9, 5), "MonitorSilent": (0, 10)}),
    "HostFull": (
        {"MemoryUtilization": 99, "DiskUtilization": 10},
        {"MemoryUtilization": 50, "DiskUtilization": 10},
    ),
}
_EDGE_S = 20
"""How long a datapoint stays in the period that it is put into: it is put at the period's end."""
_PASSED_S = 30


@dataclass(frozen=True)
class Watched:
    """A metric alarm as it is deployed."""

    definition: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.definition["AlarmName"])

    @property
    def case(self) -> str:
        """The key of its case: a part of its name, or of one that CloudFormation made up."""
        parts = [re.sub(r"[0-9A-F]{8}$", "", part) for part in self.name.split("-")]
        found = [case for case in CASES if any(part.endswith(case) for part in parts)]
        assert found, f"no case for {self.name}"
        return max(found, key=len)

    @property
    def periods(self) -> int:
        return int(self.definition["EvaluationPeriods"])

    @property
    def period_s(self) -> int:
        return max(int(stat["Period"]) for _, stat in self.metrics())

    @property
    def step(self) -> tuple[int, int, str]:
        """Alarms of one step are tried together, and those that look back furthest first.

        What was put in for a shorter look back would still be seen by a longer one.
        """
        # Calls without capacity wake an endpoint, and an endpoint awake wants a monitor.
        order = {"MonitorSilent": -1, "NoCapacityLasts": 1}.get(self.case, 0)
        return order, -self.periods * self.period_s, self.case

    def metrics(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each metric that it asks for, and how."""
        if self.definition.get("MetricName"):
            yield self.definition, self.definition
        for query in self.definition.get("Metrics") or ():
            if stat := query.get("MetricStat"):
                yield stat["Metric"], stat

    def data(self, values: Values, periods: int, now: float) -> Iterator[dict[str, Any]]:
        """Yield PutMetricData requests for each metric in the latest periods."""
        put = set()
        for metric, stat in self.metrics():
            key = json.dumps([metric["Namespace"], metric["MetricName"], metric["Dimensions"]])
            if key in put or metric["MetricName"] not in values:
                continue
            put.add(key)
            value = values[metric["MetricName"]]
            value, count = value if isinstance(value, tuple) else (value, 1)
            yield {
                "Namespace": metric["Namespace"],
                "MetricData": [
                    {
                        "MetricName": metric["MetricName"],
                        "Dimensions": metric["Dimensions"],
                        "Timestamp": datetime.fromtimestamp(
                            now - number * int(stat["Period"]) + _EDGE_S, UTC
                        ),
                        "Values": [value],
                        "Counts": [count],
                    }
                    for number in range(1, periods + 1)
                ],
            }


class Watcher:
    """The embedded AWS with every mode's monitoring deployed."""

    def __init__(self, cloudwatch: Any, cloudformation: Any, url: str) -> None:
        self._cloudwatch, self._cloudformation, self._url = cloudwatch, cloudformation, url
        self._emulator = urllib3.PoolManager()

    def stacks(self) -> dict[str, dict[str, str]]:
        """Return the outputs of our stacks by their names, those first that nobody refers to."""
        found = {
            stack["StackName"]: {
                output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())
            }
            for stack in self._cloudformation.describe_stacks()["Stacks"]
            if stack["StackName"].startswith("seen-")
        }
        return dict(sorted(found.items(), key=lambda item: not item[0].endswith("-monitoring")))

    def forward(self, seconds: float) -> float:
        """Let time pass and all alarms be evaluated; return what time it is then."""
        path = f"{self._url}/_local/clock?forward_s={seconds}"
        return float(self._emulator.request("POST", path).json()["now"])

    def alarms(self) -> list[Watched]:
        """Return every metric alarm that tells somebody."""
        return [
            Watched(alarm)
            for alarm in self._described("MetricAlarms")
            if alarm["AlarmName"].startswith("seen-") and not alarm["AlarmActions"]
        ]

    def states(self) -> dict[str, str]:
        """Return the state of each metric alarm by its name."""
        return {
            alarm["AlarmName"]: alarm["StateValue"] for alarm in self._described("MetricAlarms")
        }

    def composites(self) -> dict[str, str]:
        """Return the state of each composite alarm by its name."""
        return {
            alarm["AlarmName"]: alarm["StateValue"]
            for alarm in self._described("CompositeAlarms")
            if alarm["AlarmName"].startswith("seen-")
        }

    def put(self, alarms: list[Watched], *, bad: bool, now: float) -> None:
        """Put in bad values for as long as each alarm looks back, or good ones of late."""
        for alarm in alarms:
            values = CASES[alarm.case][0 if bad else 1]
            for request in alarm.data(values, alarm.periods if bad else 1, now):
                self._cloudwatch.put_metric_data(**request)

    def _described(self, kind: str) -> Iterator[dict[str, Any]]:
        pages = self._cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmTypes=[kind.removesuffix("s")]
        )
        for page in pages:
            yield from page[kind]


@pytest.fixture(scope="module")
def watcher(
    embedded: EmbeddedAws,
    client: Callable[[str], Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watcher]:
    folder = tmp_path_factory.mktemp("monitored")

    def run(*arguments: str) -> None:
        processes.run(
            [
                *(str(ROOT / "node_modules" / ".bin" / "cdk"), *arguments, "--no-notices"),
                *("--app", "python -m tests.e2e.monitored"),
                *("--output", str(folder / "cdk.out")),
            ],
            environment=embedded.environment(),
            log=embedded.state / "logs" / "monitored.log",
            progress=quiet,
        )

    cdk = Cdk(LOCAL)
    if not cdk.is_bootstrapped():
        run("bootstrap", f"aws://{cdk.account}/{cdk.deployment.region}")
    for deployment in deployments():
        if plan_serving(deployment).model is not None:
            put_compiled(client, deployment)
    run("deploy", "--all", "--require-approval", "never", "--concurrency", "4")
    cloudformation = client("cloudformation")
    watcher = Watcher(client("cloudwatch"), cloudformation, embedded.running()["emulator"].url)
    yield watcher
    # Not by the CLI, which would synthesize once more.
    for name in watcher.stacks():
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )


@pytest.fixture(scope="module")
def inbox(watcher: Watcher, client: Callable[[str], Any]) -> Callable[[], list[dict[str, str]]]:
    """Return a function that fetches what the topics have sent to a queue."""
    topics = [
        outputs["AlarmsTopic"]
        for name, outputs in watcher.stacks().items()
        if name.endswith("-monitoring")
    ]
    sqs, url = client("sqs"), listening(client, "seen-inbox", *topics)

    def fetch() -> list[dict[str, str]]:
        fetched: list[dict[str, str]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                fetched.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return fetched

    return fetch


def test_what_sleeps_is_well(watcher: Watcher) -> None:
    watcher.forward(60)
    states = watcher.states()
    told = [alarm.name for alarm in watcher.alarms()]
    assert len(told) > 100
    assert {states[name] for name in told} == {"OK"}
    assert set(watcher.composites().values()) == {"OK"}


def test_each_alarm_comes_on_and_goes_off_and_its_composite_tells(
    watcher: Watcher, inbox: Callable[[], list[dict[str, str]]]
) -> None:
    steps: dict[tuple[int, int, str], list[Watched]] = defaultdict(list)
    for alarm in watcher.alarms():
        steps[alarm.step].append(alarm)
    said: dict[str, list[str]] = defaultdict(list)
    for step in sorted(steps):
        alarms = steps[step]
        watcher.put(alarms, bad=True, now=watcher.forward(0))
        watcher.forward(1)
        states = watcher.states()
        assert {states[alarm.name] for alarm in alarms} == {"ALARM"}, step
        # An alarm of M out of N lasts until its bad periods have passed.
        spare = max(
            (alarm.periods - int(alarm.definition.get("DatapointsToAlarm") or alarm.periods))
            * alarm.period_s
            for alarm in alarms
        )
        watcher.put(alarms, bad=False, now=watcher.forward(_PASSED_S + spare))
        watcher.forward(1)
        states = watcher.states()
        assert {states[alarm.name] for alarm in alarms} == {"OK"}, step
        watcher.forward(_PASSED_S)
        for message in inbox():
            deployment = message["AlarmName"].rpartition("-")[0]
            assert f":alarm:{deployment}-" in message["NewStateReason"]  # what is behind it
            said[message["AlarmName"]].append(message["NewStateValue"])
    assert said.keys() == watcher.composites().keys()
    for states_told in said.values():
        assert states_told[:2] == ["ALARM", "OK"]
        assert all(one != next_ for one, next_ in itertools.pairwise(states_told))


def test_every_case_is_of_an_alarm_that_there_is(watcher: Watcher) -> None:
    assert {alarm.case for alarm in watcher.alarms()} == CASES.keys()
