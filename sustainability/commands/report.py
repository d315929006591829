"""``report``: show the measured energy, carbon and cost of a deployment, and the trend."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.history import History


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "report",
        help="show what a deployment used: energy, carbon, cost, and the trend",
        description="Reads the hourly footprint record of a deployment. Shows energy, carbon and "
        "cost of all provisioned and used resources, per hour or per day and per 1,000 answers, "
        "what changed, and the saving compared with the first week. Shows the last week beside "
        "footprint.targets and the 30 days before it, with the share of questions answered. All "
        "values are estimates with ranges.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.add_argument(
        "--since", default="30d", metavar="TIME", help="how far back, such as 12h (default: 30d)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report."""
    import json
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    from sustainability.decide.next_steps import next_steps
    from sustainability.deployment.durations import parse_duration
    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.operate.account import Account
    from sustainability.operate.history import History
    from sustainability.report import history as report
    from sustainability.report.page import write
    from sustainability.report.text import fitted

    try:
        now = datetime.now(UTC)
        since = now - parse_duration(options.since)
    except (OverflowError, ValueError) as error:
        raise UserError(f"--since {options.since}: {error}") from error
    deployment = Deployment.load(options.deployment)
    account = Account(deployment)
    history = History.of(
        account.history(since),
        ZoneInfo(deployment.traffic.timezone),
        until=now - timedelta(hours=1),  # the record of an hour is written during the next hour
    )
    months, course = account.months(), account.course()
    steps = next_steps(_as_measured(deployment, history)) if history.periods else None
    if options.html:
        write(options.html, report.as_html(deployment.name, history, months, steps, course))
    print(
        json.dumps(report.as_json(history, months, course), indent=2)
        if options.json
        else fitted(report.as_text(deployment.name, history, months, steps, course))
    )
    return 0


def _as_measured(deployment: Deployment, history: History) -> Deployment:
    """Return the deployment with the traffic of its records in place of the declared one."""
    from sustainability.decide.next_steps import as_measured
    from sustainability.energy.impact import HOURS_PER_MONTH

    whole = history.whole
    written = whole.answers("answered") - whole.answers("cached")
    tokens = [
        sum(record["tokens"][kind] for record in whole.records) / written if written else 0.0
        for kind in ("input", "output")
    ]
    return as_measured(
        deployment,
        answers_per_month=whole.answers() / len(whole.records) * HOURS_PER_MONTH,
        tokens=(tokens[0], tokens[1]),
    )
