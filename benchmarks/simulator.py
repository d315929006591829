"""Serving plans on traffic that they do not know, against an oracle, and the simulator's speed.

Each row names the traffic that the plan was made from (train) and the one that is replayed (test).
They never overlap. Generated weeks differ by their seed. Recorded traffic is read from the folder
in the environment variable TRACES (default: ``../shared/data``), and left out if it is not there:
the first part of its week and of its hour is train, the rest is test.

``python -m benchmarks simulator`` replays one day of each week, to end within ten minutes on two
cores. ``python -m benchmarks.simulator --weekend`` replays two days, ``--all`` whole weeks, and
``--page`` prints ``docs/simulator.md``.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import random
import resource
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from statistics import mean, quantiles
from typing import Any, NamedTuple

from benchmarks.measurement import Measurement, table
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
from sustainability.simulation.traces import declaring, rates_of, read_rates, read_trace
from sustainability.simulation.traffic import (
    Rates,
    Request,
    TokenCounts,
    Traffic,
    of_rates,
    synthetic_week,
)

SEED = 11
"""Of the weeks that are replayed; nothing was tuned on it."""
DECLARED = 100
"""What is added to a seed for the week that the plan sees."""
DAY_S = 86400.0
WHOLE = (0, 7)
FRIDAY = 4
"""The first day that is replayed, from Monday."""
WORKERS = 2
BIN_S = 600.0
"""Of the recorded week."""
VARIATION = {"bursty": 4.0}
COPIES = 4
"""That the peak needs."""
GROWTH = 1.3
"""Of the week that has grown since it was declared."""
TRACES = Path(os.environ.get("TRACES") or Path(__file__).parents[2] / "shared" / "data")
WEEK, TOKENS, HOUR = (
    "azure2024_conversation_week_rpm_digitised.csv",
    "azure2024_token_quantiles_digitised.csv",
    "azure2023_conv.csv.gz",
)
ATTAINMENT = 0.99
"""That every deployment here asks for: the default."""
_PAGE = """# How good the plan is on traffic that it does not know

<!-- Generated: python -m benchmarks.simulator --weekend --page > docs/simulator.md -->

Each row names the traffic from which the plan was made (*train*) and the traffic that is replayed
(*test*); they never overlap. A ratio is the plan's use divided by that of the other; the share
after it is what the other has in time. A number in bold misses its bar.

- *The oracle* knows the traffic in advance. Its cold starts and queues are the same, and it uses
  the 1 % of late answers that the service level allows where they save most.
- *The best tracking* is target tracking with the best target for the test traffic and no fewer
  answers in time than the plan, found afterwards. No one can know it before.
- *The plan with a perfect forecast* is the same plan with the true mean of every hour of the test
  as its declared week. No forecast from a deployment's own history can know more.
"""
LONGEST_PROMPT, LONGEST_ANSWER = 3000, 500
"""Tokens: what the model is compiled for holds both."""


class Ratio(NamedTuple):
    """What the plan takes, divided by what another takes, and the other's share in time."""

    value: float
    in_time: float
    most: float
    """The bar; infinite if there is none."""


class Row(NamedTuple):
    """One plan on traffic that it does not know."""

    traffic: str
    train: str
    test: str
    in_time: float
    takes: float
    unit: str
    ratios: dict[str, Ratio]
    """By what the plan is compared with; without one that no fleet reaches."""

    def measurements(self) -> Iterator[Measurement]:
        """Yield the numbers of this row."""
        name = f"{self.traffic}, train {self.train}, test {self.test}"
        yield Measurement(f"{name}: answers in time", 100 * self.in_time, "%", "≥ 99")
        yield Measurement(f"{name}: takes", self.takes, self.unit)
        for other, ratio in self.ratios.items():
            most = "" if math.isinf(ratio.most) else f"≤ {ratio.most:g}"
            yield Measurement(f"{name}: times {other}", ratio.value, "", most)
            yield Measurement(f"{name}: {other}, in time", 100 * ratio.in_time, "%")


def run(days: tuple[int, int] = (FRIDAY, FRIDAY + 1)) -> list[Measurement]:
    """Replay these days of the traffic that is there, and a million questions."""
    return [one for row in _rows(days) for one in row.measurements()] + _speed()


def main() -> int:
    """Print the measurements, or the page with them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator")
    parser.add_argument("--all", action="store_true", help="replay whole weeks: an hour or more")
    parser.add_argument("--weekend", action="store_true", help="replay Saturday after Friday")
    parser.add_argument("--page", action="store_true", help="print docs/simulator.md")
    options = parser.parse_args()
    days = WHOLE if options.all else (FRIDAY, FRIDAY + 2 if options.weekend else FRIDAY + 1)
    print(page(_rows(days)) if options.page else table(run(days)))
    return 0


def page(rows: Sequence[Row]) -> str:
    """Return ``docs/simulator.md``."""
    lines = [_PAGE]
    for unit, of_unit in groupby(sorted(rows, key=lambda row: row.unit), lambda row: row.unit):
        group = list(of_unit)
        others = list(dict.fromkeys(other for row in group for other in row.ratios))
        heads = ["traffic", "train", "test", "in time", unit, *(f"÷ {other}" for other in others)]
        lines += [f"| {' | '.join(heads)} |", "|:--|:--|:--|" + "--:|" * (len(heads) - 3)]
        for row in group:
            found = [row.ratios.get(other) for other in others]
            cells = [_cell(ratio) if ratio else "none" for ratio in found]
            fixed = [row.traffic, row.train, row.test, _percent(row.in_time), f"{row.takes:,.1f}"]
            lines.append(f"| {' | '.join([*fixed, *cells])} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _cell(ratio: Ratio) -> str:
    value = f"{ratio.value:.3f}"
    missed = f"**{value}** (bar {ratio.most:g})" if ratio.value > ratio.most else value
    return f"{missed}; {_percent(ratio.in_time)}"


def _percent(share: float) -> str:
    percent = f"{100 * share:.2f} %"
    return percent if share >= ATTAINMENT else f"**{percent}**"


def _rows(days: tuple[int, int]) -> list[Row]:
    """Return the rows, each replayed in a process of its own, with progress on stderr."""
    everything = days == WHOLE
    jobs: list[Callable[[], Row]] = [
        partial(_never_asleep, "diurnal", days),
        partial(_bridged, "diurnal", days),
        partial(_never_asleep, "bursty", days),
        partial(_never_asleep, "diurnal", days, GROWTH),
        partial(_bridged, "quiet", days),
    ]
    if everything:
        jobs += [partial(_never_asleep, "flash", days), partial(_bridged, "flash", days)]
    if (TRACES / HOUR).exists():
        last = 7 if everything else 5
        jobs += [partial(_recorded_week, TRACES, last), partial(_recorded_hour, TRACES)]
    found: dict[int, Row] = {}
    began = time.monotonic()
    with ProcessPoolExecutor(WORKERS) as pool:
        waiting = {pool.submit(job): number for number, job in enumerate(jobs)}
        for done in as_completed(waiting):
            row = found[waiting[done]] = done.result()
            print(
                f"{len(found)} of {len(jobs)} after {time.monotonic() - began:.0f} s: "
                f"{row.traffic}",
                file=sys.stderr,
                flush=True,
            )
    return [found[number] for number in range(len(jobs))]


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


def _never_asleep(kind: str, days: tuple[int, int], growth: float = 1.0) -> Row:
    """Replay a week that has grown since it was declared."""
    variation = VARIATION.get(kind)
    deployment = _deployment(traffic={"arrival_variation": variation})
    peak = _peak(deployment)
    traffic = of_rates(
        synthetic_week(kind, seed=SEED, peak_per_hour=peak),
        _tokens(deployment),
        seed=SEED,
        variation=variation or 1.0,
    )
    declared = synthetic_week(kind, seed=SEED + DECLARED, peak_per_hour=peak / growth)
    grown = f", grown by {growth - 1:.0%}" if growth > 1 else ""
    names = (f"{kind}{grown}", f"week of seed {SEED + DECLARED}", _part(days))
    return _against_others(names, declaring(deployment, declared), _held(traffic, days))


def _part(days: tuple[int, int]) -> str:
    names = {FRIDAY + 1: "Friday of ", FRIDAY + 2: "Friday and Saturday of "}
    return f"{names.get(days[1], '')}seed {SEED}"


def _held(traffic: Traffic, days: tuple[int, int] = WHOLE) -> Traffic:
    """Return these days of a traffic that begins on Monday, held in memory for many replays."""
    first, last = (day * DAY_S for day in days)
    asked = []
    for request in traffic.requests():
        if request.time >= last:
            break
        if request.time >= first:
            asked.append(request._replace(time=request.time - first))
    return Traffic(lambda: asked, min(traffic.duration, last) - first, traffic.start + first)


def _recorded_week(folder: Path, last: int) -> Row:
    """Replay Thursday to ``last`` with tokens of their own; the plan knows Sunday to Wednesday."""
    draw = _drawn(folder / TOKENS)
    random_ = random.Random(0)
    prompts, answers = zip(*(draw(random_) for _ in range(20_000)), strict=True)
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
    rates = Rates(BIN_S, sum(days[4:last], ())).scaled(scale)
    timed = of_rates(rates, _tokens(deployment), seed=1)

    def requests() -> Iterator[Request]:
        drawing = random.Random(1)
        return (Request(request.time, *draw(drawing)) for request in timed.requests())

    test = "Thursday to Saturday" if last == len(days) else "Thursday"
    return _against_others(
        ("week of 2024", "Sunday to Wednesday", test),
        declaring(deployment, train.scaled(scale)),
        _held(Traffic(requests, rates.duration, start=3 * DAY_S)),
    )


def _days(week: Rates) -> list[tuple[float, ...]]:
    """Return the rates of each day of a week that begins on Sunday."""
    each = int(86400 / BIN_S)
    return [week.per_hour[each * day : each * (day + 1)] for day in range(7)]


def _recorded_hour(folder: Path) -> Row:
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
    return _against_others(("hour of 2023", "first half", "second half"), deployment, traffic)


def _against_others(names: tuple[str, str, str], deployment: Deployment, traffic: Traffic) -> Row:
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
    others: dict[str, tuple[Outcome | None, float]] = {
        "the oracle": (least, 1.15),
        "AWS's default": (advice, 1.0 if bursts else 0.75),
        "the best tracking": (reactive, 1.0),
        "the plan with a perfect forecast": (_forecast(deployment, traffic, endpoint), math.inf),
    }
    return Row(
        *names,
        ours.attainment,
        ours.instance_hours,
        "instance-hours",
        {
            name: Ratio(ours.instance_hours / other.instance_hours, other.attainment, most)
            for name, (other, most) in others.items()
            if other
        },
    )


def _forecast(deployment: Deployment, traffic: Traffic, endpoint: Endpoint) -> Outcome | None:
    """Return the outcome of the plan that knows the mean of each hour; None for less than a day.

    No forecast of hourly rates from the history of a deployment can be better.
    """
    if traffic.duration < DAY_S:
        return None
    counted = rates_of(traffic)
    whole = Rates(counted.interval, counted.per_hour[: int(traffic.duration / counted.interval)])
    plan = plan_serving(declaring(deployment, whole, start=traffic.start))
    return replayed(traffic, endpoint, planned(plan, traffic.start))


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


def _bridged(kind: str, days: tuple[int, int]) -> Row:
    """Return how a plan that sleeps compares, in energy of instances and tokens on Bedrock."""
    deployment = _deployment(
        service_level={"latency_p95": "12s"},
        answers={"max_tokens": 300, "generator": "qwen.qwen3-32b-v1:0"},
        inference={"model": "qwen3-1.7b", "bedrock": "allowed"},
    )
    peak = 900.0 if kind == "quiet" else 6000.0
    week = synthetic_week(kind, seed=SEED + DECLARED, peak_per_hour=peak)
    rates = synthetic_week(kind, seed=SEED, peak_per_hour=peak)
    traffic = _held(of_rates(rates, _tokens(deployment), seed=SEED), days)
    declared = declaring(deployment, week)
    situation, plan = Situation.of(declared), plan_serving(declared)
    capacity = situation.capacity(12.0)
    endpoint = endpoint_of(situation, plan, capacity)
    ours = replayed(traffic, endpoint, planned(plan, traffic.start))
    alone = replayed(traffic, endpoint, bedrock_alone())
    _, prices = prices_of(situation, plan, capacity)
    best = oracle(traffic, endpoint, deployment.service_level.attainment, prices, [ours, alone])

    def energy(outcome: Outcome) -> float:
        return impact_of(situation, plan, outcome).kwh.mid

    return Row(
        f"{kind}, Bedrock allowed: {plan.mode}",
        f"week of seed {SEED + DECLARED}",
        _part(days),
        ours.attainment,
        energy(ours),
        "kWh",
        {
            name: Ratio(energy(ours) / energy(other), other.attainment, 1.02)
            for name, other in (("the oracle", best), ("Bedrock alone", alone))
            if other
        },
    )


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
    twentieths = quantiles(tokens, n=20, method="inclusive")
    return Tokens(
        mean=mean(tokens),
        p95=max(mean(tokens), twentieths[-1]),
        deciles=tuple(twentieths[1:-1:2]),
    )


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


if __name__ == "__main__":
    sys.exit(main())
