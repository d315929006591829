"""``verify``: use a deployed stack once, and report what works and what cannot be checked."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment

_IDENTIFIERS = (
    (re.compile(r"arn:[\w-]+:\S+"), "ARN"),
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"s3://\S+"), "BUCKET"),
    (re.compile(r"\b\d{12}\b"), "ACCOUNT"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "ID"),
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "verify",
        help="check that a deployed stack does what it should",
        description="Puts one small document in, asks for it and takes it away; looks at alarms, "
        "metrics and dashboards. Asks before it wakes an instance. Fails if a row fails.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "--json", action="store_true", help="print the rows as JSON, without identifiers"
    )
    parser.add_argument(
        "--wake",
        action=argparse.BooleanOptionalAction,
        help="start an instance of an endpoint that is at zero, and let it stop again; "
        "without this option you are asked",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a row for each thing that was looked at, and a cure where there is one."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.checks import Verdict
    from sustainability.operate.verification import greatest_cost, verify
    from sustainability.report.console import status_line
    from sustainability.report.text import table

    deployment = Deployment.load(options.deployment)
    print(f"This costs at most ${greatest_cost(deployment):.4f}.", file=sys.stderr)
    wake = _agreed(deployment) if options.wake is None else options.wake
    with status_line() as progress:
        checks = verify(deployment, progress, wake=wake)
    if options.json:
        rows = [
            {
                "name": check.name,
                "verdict": check.verdict,
                "evidence": _anonymous(check.evidence),
                "cure": _anonymous(check.cure),
            }
            for check in checks
        ]
        print(json.dumps(rows, indent=2))
    else:
        rows_ = [(check.verdict, check.name, check.evidence) for check in checks]
        print(table(("", "what", "seen"), rows_, left=3))
        for check in checks:
            if check.cure:
                print(f"\n{check.name}: {check.cure}")
        differs = [check.name for check in checks if check.verdict is Verdict.FAILED]
        print(f"\nDiffers from docs/verification.md: {'; '.join(differs) or 'nothing'}")
    return int(any(check.verdict is Verdict.FAILED for check in checks))


def _agreed(deployment: Deployment) -> bool:
    """Ask whether the endpoint may be woken, if it may be asleep and somebody can answer."""
    from sustainability.operate.account import Account
    from sustainability.operate.waking import Waking
    from sustainability.plan.serving import plan_serving

    plan = plan_serving(deployment)
    waking = Waking(deployment, plan, Account(deployment))
    if not waking.wakes or not sys.stdin.isatty():
        return False
    print(
        f"Wake one {plan.instance_type} for up to {waking.minutes:.0f} minutes (at most "
        f"${waking.usd:.2f})? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _anonymous(text: str) -> str:
    for pattern, word in _IDENTIFIERS:
        text = pattern.sub(word, text)
    return text
