"""``plan``: show how a deployment is served, the reasons, and the cost of other service levels."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "plan",
        help="show how a deployment is served, and what other service levels would cost",
        description="Derives the serving plan from service level and traffic: the mode, the number "
        "of copies, the schedule and the thresholds, with a reason for each.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="also plan with another value of latency, deadline, availability, attainment, bedrock "
        "or model, such as latency=5s; can be given several times",
    )
    parser.add_argument(
        "--from-trace",
        type=Path,
        metavar="FILE",
        help="print the traffic section that fits a trace of single questions, and how good it is",
    )
    parser.add_argument(
        "--from-account",
        nargs="?",
        const="",
        metavar="MODEL",
        help="print the traffic section that fits four weeks of CloudWatch metrics: the calls of a "
        "Bedrock model in your account, or, without MODEL, the questions of this deployment",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    import json

    from sustainability.decide.next_steps import next_steps
    from sustainability.decide.region_requirements import checked_plan
    from sustainability.decide.what_if import alternatives
    from sustainability.deployment.schema import Deployment
    from sustainability.report import next_steps as next_report
    from sustainability.report import plan as report

    deployment = Deployment.load(options.deployment)
    if options.from_trace:
        return _fit(options.from_trace, deployment)
    if options.from_account is not None:
        return _fit_account(deployment, options.from_account)
    plan = checked_plan(deployment)
    others = alternatives(deployment, options.what_if)
    steps = next_steps(deployment)
    if options.json:
        told = report.as_json(deployment, plan, others)
        print(json.dumps(told | {"next_steps": next_report.as_json(steps)}, indent=2))
    else:
        print(report.as_text(deployment, plan, others) + next_report.ending(steps))
    return 0


def _fit_account(deployment: Deployment, model: str) -> int:
    """Print YAML, as of a trace."""
    from sustainability.energy.repetition import Repetition
    from sustainability.operate.measured_traffic import Source, measured_traffic
    from sustainability.report.trace_fit import counted_comments

    declared = deployment.traffic
    fit = measured_traffic(
        deployment.region,
        Source.of_model(model) if model else Source.of_deployment(deployment.name),
        timezone=declared.timezone,
        spread={
            "input_tokens": declared.input_tokens.p95 / declared.input_tokens.mean,
            "output_tokens": declared.output_tokens.p95 / declared.output_tokens.mean,
        },
    )
    name = f"the metrics of {model or deployment.name} in {deployment.region}"
    cached = Repetition.of(deployment).kept if model else None
    _print(counted_comments(name, fit, cached=cached), fit.traffic)
    return 0


def _fit(trace: Path, deployment: Deployment) -> int:
    """Print YAML; comments say how good the fit is."""
    from sustainability.energy.repetition import Repetition
    from sustainability.report.trace_fit import comments
    from sustainability.simulation.batches import batch_capacity
    from sustainability.simulation.trace_fit import fit
    from sustainability.simulation.traces import recorded

    traffic = recorded(trace)
    found, need = fit(traffic), None
    if found.batched and (need := batch_capacity(deployment, found.traffic, traffic)):
        found.traffic["arrival_variation"] = need.variation
    cached = Repetition.of(deployment).kept
    _print(comments(trace.name, found, cached, need), found.traffic)
    return 0


def _print(lines: Iterable[str], traffic: Mapping[str, Any]) -> None:
    import yaml

    print("\n".join(f"# {line}" for line in lines))
    section = {"traffic": dict(traffic)}
    print(yaml.safe_dump(section, sort_keys=False, default_flow_style=None))
