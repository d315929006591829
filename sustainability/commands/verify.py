"""``verify``: use a deployed stack once, and report what works and what cannot be checked."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

_IDENTIFIERS = (
    (re.compile(r"arn:[\w-]+:\S+"), "ARN"),
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b\d{12}\b"), "ACCOUNT"),
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "verify",
        help="check that a deployed stack does what it should",
        description="Puts one small document in, asks for it and takes it away; looks at alarms, "
        "metrics and dashboards. It costs less than a cent and wakes no instance. Fails if a row "
        "fails.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "--json", action="store_true", help="print the rows as JSON, without identifiers"
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
    most = greatest_cost(deployment)
    print(f"This costs at most ${most:.4f} and wakes no instance.", file=sys.stderr)
    with status_line() as progress:
        checks = verify(deployment, progress)
    if options.json:
        rows = [
            {
                "name": check.name,
                "verdict": check.verdict,
                "evidence": _anonymous(check.evidence),
                "cure": check.cure,
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


def _anonymous(text: str) -> str:
    for pattern, word in _IDENTIFIERS:
        text = pattern.sub(word, text)
    return text
