"""``plan``: show how a deployment is served, the reasons, and the cost of other service levels."""

from __future__ import annotations

import argparse
from pathlib import Path


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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    import json

    from sustainability.decide.next_steps import next_steps
    from sustainability.decide.region_requirements import checked_plan
    from sustainability.decide.what_if import alternatives
    from sustainability.deployment.schema import Deployment
    from sustainability.energy.repetition import Repetition
    from sustainability.report import next_steps as next_report
    from sustainability.report import plan as report

    deployment = Deployment.load(options.deployment)
    if options.from_trace:
        return _fit(options.from_trace, Repetition.of(deployment).kept)
    plan = checked_plan(deployment)
    others = alternatives(deployment, options.what_if)
    steps = next_steps(deployment)
    if options.json:
        told = report.as_json(deployment, plan, others)
        print(json.dumps(told | {"next_steps": next_report.as_json(steps)}, indent=2))
    else:
        print(report.as_text(deployment, plan, others) + next_report.ending(steps))
    return 0


def _fit(trace: Path, cached: float) -> int:
    """Print YAML; comments say how good the fit is."""
    import yaml

    from sustainability.report.trace_fit import comments
    from sustainability.simulation.trace_fit import fit
    from sustainability.simulation.traces import recorded

    found = fit(recorded(trace))
    print("\n".join(f"# {line}" for line in comments(trace.name, found, cached)))
    print(yaml.safe_dump({"traffic": found.traffic}, sort_keys=False, default_flow_style=None))
    return 0
