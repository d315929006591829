"""Serving plans on traffic that they do not know, against an oracle, and the simulator's speed.

Each row names the traffic that the plan was made from (train) and the one that is replayed (test).
They never overlap. Generated weeks differ by their seed. With the folder of recorded traffic in the
environment variable TRACES, the first part of its week and of its hour is train, the rest is test.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from benchmarks.measurement import Measurement
from sustainability.deployment.schema import Deployment, Tokens
from sustainability.plan.serving import plan_serving
from sustainability.plan.situation import Situation
from sustainability.simulation.autoscaling import Metric
from sustainability.simulation.comparison import impact_of, oracle, prices_of
from sustainability.simulation.comparison import run as replayed
from sustainability.simulation.engine import Endpoint
from sustainability.simulation.oracle import fullest
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.policies import (
    aws_default,
    bedrock_alone,
    endpoint_of,
    planned,
    tracking,
)
from sustainability.simulation.traces import declaring, read_rates, read_trace
from sustainability.simulation.traffic import (
    Rates,
    Request,
    TokenCounts,
    Traffic,
    of_rates,
    synthetic_week,
)

REPORTED = (("diurnal", 11), ("bursty", 11))
"""Kinds and seeds of the weeks that are replayed; nothing was tuned on these seeds."""
DECLARED = 100
"""What is added to a seed for the week that the plan sees."""
BIN_S = 600.0
"""Of the recorded week."""
VARIATION = {"bursty": 4.0}
COPIES = 4
"""That the peak needs."""
WEEK, TOKENS, HOUR = (
    "azure2024_conversation_week_rpm_digitised.csv",
    "azure2024_token_quantiles_digitised.csv",
    "azure2023_conv.csv.gz",
)
LONGEST_PROMPT, LONGEST_ANSWER = 3000, 500
"""Tokens: what the model is compiled for holds both."""


def run() -> list[Measurement]:
    """Replay the weeks, the recorded traffic if it is there, and a million questions."""
    measured = []
    for kind, seed in REPORTED:
        measured += _never_asleep(kind, seed)
    for kind, seed in (("diurnal", 11), ("flash", 11), ("quiet", 11)):
        measured += _bridged(kind, seed)
    if folder := os.environ.get("TRACES"):
        measured += _recorded_week(Path(folder)) + _recorded_hour(Path(folder))
    return measured + _speed()


def _deployment(**changes: Any) -> Deployment:
    return Deployment.model_validate(
        {
            "name": "benchmark",
            "region": "eu-north-1",
            "service_level": {"latency_p95": "25s"},
            "traffic": {
                "otherwise": {"mean_per_hour": 100, "peak_per_hour": 100},
                "input_tokens": {"mean": 1200, "p95": 1900},
                "output_tokens": {"mean": 160, "p95": 320},
                **changes.pop("traffic", {}),
            },
            "answers": {"max_tokens": 400, **changes.pop("answers", {})},
            "inference": {
                "model": "qwen3-1.7b",
                "bedrock": "never",
                "max_instances": 100,
                **changes.pop("inference", {}),
            },
            **changes,
        }
    )


def _never_asleep(kind: str, seed: int) -> list[Measurement]:
    variation = VARIATION.get(kind)
    deployment = _deployment(traffic={"arrival_variation": variation})
    peak = _peak(deployment)
    traffic = of_rates(
        synthetic_week(kind, seed=seed, peak_per_hour=peak),
        _tokens(deployment),
        seed=seed,
        variation=variation or 1.0,
    )
    declared = synthetic_week(kind, seed=seed + DECLARED, peak_per_hour=peak)
    name = f"{kind}, train seed {seed + DECLARED}, test seed {seed}"
    return _against_others(name, declaring(deployment, declared), traffic)


def _recorded_week(folder: Path) -> list[Measurement]:
    """Replay Thursday to Saturday with tokens of their own; the plan knows Sunday to Wednesday."""
    draw = _drawn(folder / TOKENS)
    prompts, answers = zip(*(draw(random.Random(number)) for number in range(4000)), strict=True)
    deployment = _deployment(
        service_level={"latency_p95": "26s"},
        traffic={"input_tokens": _counted(prompts), "output_tokens": _counted(answers)},
        answers={"max_tokens": LONGEST_ANSWER},
    )
    days = _days(read_rates(folder / WEEK))
    sunday, working = days[0], days[1:4]
    usual = tuple(map(mean, zip(*working, strict=True)))
    train = Rates(BIN_S, sum((*working, usual, usual, sunday, sunday), ()))
    scale = _peak(deployment) / max(train.per_hour)
    rates = Rates(BIN_S, sum(days[4:], ())).scaled(scale)
    timed = of_rates(rates, _tokens(deployment), seed=1)

    def requests() -> Iterator[Request]:
        random_ = random.Random(1)
        return (Request(request.time, *draw(random_)) for request in timed.requests())

    return _against_others(
        "week of 2024, train Sunday to Wednesday, test Thursday to Saturday",
        declaring(deployment, train.scaled(scale)),
        Traffic(requests, rates.duration, start=3 * 86400.0),
    )


def _days(week: Rates) -> list[tuple[float, ...]]:
    """Return the rates of each day of a week that begins on Sunday."""
    each = int(86400 / BIN_S)
    return [week.per_hour[each * day : each * (day + 1)] for day in range(7)]


def _recorded_hour(folder: Path) -> list[Measurement]:
    """Replay the second half of the hour; the plan knows rates and tokens of the first."""
    recorded = [
        Request(
            request.time,
            min(LONGEST_PROMPT, request.input_tokens),
            min(LONGEST_ANSWER, request.output_tokens),
        )
        for request in read_trace(folder / HOUR)
    ]
    middle = recorded[-1].time / 2
    before = [request for request in recorded if request.time < middle]
    after = [request._replace(time=request.time - middle) for request in recorded[len(before) :]]
    of_minute = [0] * (int(middle // 600) + 1)
    for request in before:
        of_minute[int(request.time // 600)] += 1
    per_hour = len(before) / middle * 3600
    deployment = _deployment(
        service_level={"latency_p95": "25s"},
        traffic={
            "otherwise": {
                "mean_per_hour": per_hour,
                "peak_per_hour": max(per_hour, *(6 * count for count in of_minute)),
            },
            "input_tokens": _counted([request.input_tokens for request in before]),
            "output_tokens": _counted([request.output_tokens for request in before]),
        },
        answers={"max_tokens": LONGEST_ANSWER},
    )
    traffic = Traffic(lambda: after, after[-1].time)
    return _against_others("hour of 2023, train first half, test second half", deployment, traffic)


def _against_others(name: str, deployment: Deployment, traffic: Traffic) -> list[Measurement]:
    """Return how a plan that never sleeps compares, in instance-hours."""
    situation, plan = Situation.of(deployment), plan_serving(deployment)
    latency = deployment.service_level.latency_p95
    assert latency is not None
    capacity, attainment = situation.capacity(latency), deployment.service_level.attainment
    bursts = (deployment.traffic.arrival_variation or 1.0) > 1.5
    endpoint = endpoint_of(situation, plan, capacity)
    ours = replayed(traffic, endpoint, planned(plan, traffic.start))
    advice = replayed(traffic, endpoint, aws_default(situation, capacity, plan.max_copies))
    _, prices = prices_of(situation, plan, capacity)
    least = oracle(traffic, endpoint, attainment, prices, [ours, advice])
    reactive = min(
        (
            _best_reactive(traffic, endpoint, metric, full, plan.max_copies, ours.attainment)
            for metric, full in (
                (Metric.INVOCATIONS, capacity.full_rate * 60),
                (Metric.CONCURRENT_REQUESTS, float(capacity.model.slots)),
            )
        ),
        key=lambda outcome: outcome.instance_hours,
    )
    hours = ours.instance_hours
    return [
        Measurement(f"{name}: answers in time", 100 * ours.attainment, "%", "≥ 99"),
        Measurement(f"{name}: instance-hours", hours, "h"),
        *(_ratio(f"{name}: times the oracle's", hours, least, "≤ 1.15") if least else []),
        *_ratio(f"{name}: times the AWS default's", hours, advice, "≤ 1" if bursts else "≤ 0.75"),
        *_ratio(f"{name}: times the best tracking's", hours, reactive, "≤ 1"),
    ]


def _ratio(name: str, hours: float, other: Outcome, target: str) -> list[Measurement]:
    """Return a ratio of instance-hours, and what the other side has in time."""
    return [
        Measurement(name, hours / other.instance_hours, "", target),
        Measurement(f"{name}, of which in time", 100 * other.attainment, "%"),
    ]


def _best_reactive(
    traffic: Traffic,
    endpoint: Endpoint,
    metric: Metric,
    full: float,
    most: int,
    attainment: float,
) -> Outcome:
    """Return target tracking at the target that keeps ``attainment`` with the fewest hours."""

    def outcome(share: float) -> Outcome:
        policy = tracking("", metric, share * full, least=1, most=2 * most, initial=most // 2)
        return replayed(traffic, endpoint, policy)

    return fullest(outcome, low=0.2, high=1.2, attainment=attainment, steps=5)


def _bridged(kind: str, seed: int) -> list[Measurement]:
    """Return how a plan that sleeps compares, in energy of instances and tokens on Bedrock."""
    deployment = _deployment(
        service_level={"latency_p95": "12s"},
        answers={"max_tokens": 300, "generator": "qwen.qwen3-32b-v1:0"},
        inference={"model": "qwen3-1.7b", "bedrock": "allowed"},
    )
    peak = 900.0 if kind == "quiet" else 6000.0
    declared = declaring(deployment, synthetic_week(kind, seed=seed + DECLARED, peak_per_hour=peak))
    rates = synthetic_week(kind, seed=seed, peak_per_hour=peak)
    traffic = of_rates(rates, _tokens(deployment), seed=seed)
    situation, plan = Situation.of(declared), plan_serving(declared)
    capacity = situation.capacity(12.0)
    endpoint = endpoint_of(situation, plan, capacity)
    ours = replayed(traffic, endpoint, planned(plan))
    name = f"bridged {kind}, train seed {seed + DECLARED}, test seed {seed}"
    measured = [Measurement(f"{name}: answers in time", 100 * ours.attainment, "%", "≥ 99")]
    if kind == "quiet":
        return [*measured, Measurement(f"{name}: instance-hours", ours.instance_hours, "h", "≤ 0")]
    _, prices = prices_of(situation, plan, capacity)
    alone = replayed(traffic, endpoint, bedrock_alone())
    attainment = deployment.service_level.attainment
    best = oracle(traffic, endpoint, attainment, prices, [ours, alone])
    assert best is not None
    energy, least, of_bedrock = (
        impact_of(situation, plan, each).kwh.mid for each in (ours, best, alone)
    )
    return [
        *measured,
        Measurement(f"{name}: energy", energy, "kWh"),
        Measurement(f"{name}: times the oracle's", energy / least, "", "≤ 1.02"),
        Measurement(f"{name}: in time, oracle", 100 * best.attainment, "%"),
        Measurement(f"{name}: times Bedrock alone", energy / of_bedrock, "", "≤ 1.02"),
    ]


def _peak(deployment: Deployment) -> float:
    """Return the questions per hour for which the deployment needs so many copies."""
    latency = deployment.service_level.latency_p95
    assert latency is not None
    capacity = Situation.of(deployment).capacity(latency)
    return 3600 * capacity.rate_of(COPIES, deployment.service_level.attainment)


def _tokens(deployment: Deployment) -> TokenCounts:
    traffic = deployment.traffic
    return TokenCounts(
        traffic.input_tokens, traffic.output_tokens, float(deployment.answers.max_tokens)
    )


def _counted(tokens: Sequence[float]) -> Tokens:
    return Tokens(mean=mean(tokens), p95=max(mean(tokens), quantiles(tokens, n=20)[-1]))


def _drawn(file: Path) -> Callable[[random.Random], tuple[float, float]]:
    """Return a function that draws the tokens of a prompt and an answer between their quantiles."""
    points: dict[str, list[tuple[float, float]]] = {"input": [(0, 1)], "output": [(0, 1)]}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            if row["service"] == "conversation":
                points[row["field"]].append((float(row["percentile"]), float(row["tokens"])))
    longest = {"input": LONGEST_PROMPT, "output": LONGEST_ANSWER}

    def draw(random_: random.Random) -> tuple[float, float]:
        def one(field: str) -> float:
            known, share = points[field], random_.random() * 100
            right = min(len(known) - 1, bisect_left(known, (share, 0)))
            (low, few), (high, many) = known[right - 1], known[right]
            between = min(1.0, (share - low) / (high - low))
            return min(longest[field], max(1.0, few + (many - few) * between))

        return one("input"), one("output")

    return draw


def _speed() -> list[Measurement]:
    """Replay questions in processes of their own: a tenth of a million, and a million."""
    (_, memory), (seconds, at_last) = map(_timed, (100_000, 1_000_000))
    return [
        Measurement("1,000,000 questions", seconds, "s", "≤ 20"),
        Measurement("peak memory", at_last, "MB"),
        Measurement("times that of 100,000 questions", at_last / memory, "", "≤ 1.1"),
    ]


def _timed(questions: int) -> tuple[float, float]:
    code = f"from benchmarks.simulator import replay_many; replay_many({questions})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    seconds, megabytes = map(float, found.stdout.split())
    return seconds, megabytes


def replay_many(questions: int) -> None:
    """Replay so many questions against a plan; print the seconds, and the process's peak in MB."""
    deployment = _deployment()
    peak = _peak(deployment)
    week = synthetic_week("diurnal", seed=1, peak_per_hour=peak)
    whole = replace(week, per_hour=week.per_hour * 20)
    declared = declaring(deployment, week)
    situation, plan = Situation.of(declared), plan_serving(declared)
    endpoint = endpoint_of(situation, plan, situation.capacity(25.0))
    stream = of_rates(whole, _tokens(deployment), seed=1)
    traffic = Traffic(lambda: islice(stream.requests(), questions), 0.0)
    began = time.perf_counter()
    replayed(traffic, endpoint, planned(plan))
    seconds = time.perf_counter() - began
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
