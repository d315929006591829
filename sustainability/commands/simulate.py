"""``simulate``: simulate traffic with the plan of a deployment and with other policies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sustainability.simulation.kinds import KINDS

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment
    from sustainability.simulation.traffic import Traffic

_BURSTY = 4.0
"""Coefficient of variation of the time between questions in a bursty week."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "simulate",
        help="test the plan of a deployment by simulating traffic",
        description="Tests the plan by simulating traffic, with the metric periods, alarms, cold "
        "starts and queues of AWS. Compares it with other policies and with an oracle, which knows "
        "the traffic in advance. Default traffic: the declared week.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--trace",
        type=Path,
        metavar="FILE",
        help="traffic as CSV, plain or gzipped, with the columns "
        "TIMESTAMP,ContextTokens,GeneratedTokens; or t_s,in_tokens,out_tokens; or a rate curve "
        "t_s,requests_per_min",
    )
    source.add_argument(
        "--synthetic",
        metavar="KIND",
        choices=KINDS,
        help="a generated week: diurnal, bursty, flash or quiet",
    )
    parser.add_argument(
        "--peak",
        type=float,
        metavar="PER_HOUR",
        help="scale a rate curve or a synthetic week to this peak, in questions per hour that "
        "reach a model (default: a rate curve is not scaled; a synthetic week has the declared "
        "peak)",
    )
    parser.add_argument(
        "--start",
        metavar="DAY-HH:MM",
        help="when a trace begins in the traffic's time zone, such as tue-14:30 (default: its "
        "first time stamp; mon-00:00 if its times have no date)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of all random numbers (default: 1)"
    )
    parser.add_argument(
        "--variation",
        type=float,
        help="coefficient of variation of the time between generated questions (default: 4 for "
        "bursty weeks, otherwise traffic.arrival_variation or 1)",
    )
    parser.add_argument(
        "--plan-from-trace",
        action="store_true",
        help="plan for the rates of the simulated traffic instead of the declared ones",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="draw the simulation of the plan"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result of each policy."""
    import json

    from sustainability.decide.next_steps import next_steps
    from sustainability.deployment.schema import Deployment
    from sustainability.energy.repetition import Repetition
    from sustainability.offers.names import check_names
    from sustainability.plan.serving import plan_serving
    from sustainability.plan.situation import Situation
    from sustainability.report import next_steps as next_report
    from sustainability.report import simulation as report
    from sustainability.report.console import status_line
    from sustainability.report.simulation_plot import svg
    from sustainability.simulation.comparison import compare
    from sustainability.simulation.traces import declaring, rates_of

    _check(options)
    deployment = Deployment.load(options.deployment)
    check_names(deployment)
    source, traffic = _traffic(options, deployment)
    if options.plan_from_trace:
        generated = 1 - Repetition.of(deployment).kept
        deployment = declaring(
            deployment,
            rates_of(traffic).scaled(1 / generated),
            variation=_variation(options, deployment),
            start=traffic.start,
        )
    plan, situation = plan_serving(deployment), Situation.of(deployment)
    with status_line() as progress:
        comparison = compare(situation, plan, traffic, progress=progress)
    if options.plot:
        picture = svg(f"{deployment.name}, {plan.mode}: {source}", comparison.plan.outcome.timeline)
        options.plot.write_text(picture, encoding="utf-8")
    steps = next_steps(deployment)
    if options.json:
        told = report.as_json(situation, comparison)
        print(json.dumps(told | {"next_steps": next_report.as_json(steps)}, indent=2))
    else:
        print(f"Traffic: {source}.\n")
        print(report.as_text(situation, comparison) + next_report.ending(steps))
    return 0


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers that no traffic can have, and options that the traffic does not take."""
    import math

    from sustainability.errors import UserError

    for name in ("peak", "variation"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--{name} {value:g}: give a number above zero")
    if options.start and not options.trace:
        raise UserError("--start is for --trace: other traffic begins on Monday at 0:00")


def _start(text: str) -> float:
    """Return the second of the week of ``tue-14:30``."""
    import re

    from sustainability.errors import UserError

    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    found = re.fullmatch(rf"({'|'.join(days)})-([01]?\d|2[0-3]):([0-5]\d)", text.lower())
    if found is None:
        raise UserError(f"--start {text}: write a day and a time, such as tue-14:30")
    day, hour, minute = found.groups()
    return ((days.index(day) * 24 + int(hour)) * 60 + int(minute)) * 60.0


def _traffic(options: argparse.Namespace, deployment: Deployment) -> tuple[str, Traffic]:
    """Return what the traffic is, and the questions that reach a model.

    Those that the answer cache answers are not among them.
    """
    from dataclasses import replace

    from sustainability.errors import UserError
    from sustainability.plan.situation import Situation
    from sustainability.simulation.traces import is_rate_curve, read_rates, recorded
    from sustainability.simulation.traffic import (
        TokenCounts,
        declared_rates,
        of_rates,
        synthetic_week,
    )

    start = _start(options.start) if options.start else None
    if options.trace and not is_rate_curve(options.trace):
        for name in ("peak", "variation"):
            if getattr(options, name) is not None:
                raise UserError(
                    f"--{name} is for rate curves and generated weeks; {options.trace.name} has "
                    "single questions, which are simulated as they are"
                )
        most = float(deployment.answers.max_tokens)
        traffic = recorded(options.trace, most_tokens=most, start=start)
        return f"{options.trace.name}, each question at its own time", traffic
    week = Situation.of(deployment).week
    if options.trace:
        rates = read_rates(options.trace)
        source = f"{options.trace.name}, rates as in the file"
        if options.peak:
            rates = rates.scaled_to_peak(options.peak)
            source = f"{options.trace.name}, scaled"
    elif options.synthetic:
        peak = options.peak or max(rate.peak_per_hour for rate in week)
        rates = synthetic_week(options.synthetic, seed=options.seed, peak_per_hour=peak)
        source = f"generated week, {options.synthetic}"
    else:
        rates = declared_rates(week, seed=options.seed)
        source = "the declared week"
    if not any(rates.per_hour):
        raise UserError("there are no questions to simulate: declare traffic, or give --trace FILE")
    declared = deployment.traffic
    traffic = of_rates(
        rates,
        TokenCounts(
            declared.input_tokens, declared.output_tokens, float(deployment.answers.max_tokens)
        ),
        seed=options.seed,
        variation=_variation(options, deployment) or 1.0,
    )
    return f"{source}, up to {max(rates.per_hour):,.0f} questions/h", replace(
        traffic, start=start or 0.0
    )


def _variation(options: argparse.Namespace, deployment: Deployment) -> float | None:
    if options.variation is None and options.synthetic == "bursty":
        return _BURSTY
    variation: float | None = options.variation or deployment.traffic.arrival_variation
    return variation
