"""``window``: find the hours with the lowest carbon for work that can wait."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "window",
        help="find the hours with the lowest carbon for work that can wait",
        description="Finds the hours with the lowest carbon per kWh that end before the deadline, "
        "from the usual day of the Region's grid. The output names the source.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.add_argument(
        "--length", default="2h", metavar="DURATION", help="length of the work (default: 2h)"
    )
    parser.add_argument(
        "--within",
        metavar="DURATION",
        help="when the work must be done, from now (default: the deadline of the deployment, "
        "otherwise 24h)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the window."""
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from sustainability.deployment.durations import parse_duration
    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.plan.clean_hours import StaticProfile, choose_window

    deployment = Deployment.load(options.deployment)
    now = datetime.now(UTC)
    try:
        length = parse_duration(options.length)
        declared = deployment.service_level.deadline or parse_duration("24h")
        within = parse_duration(options.within) if options.within else declared
        window = choose_window(
            StaticProfile(deployment.region),
            earliest=now,
            deadline=now + within,
            length=length,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    zone = ZoneInfo(deployment.traffic.timezone)
    print(
        f"{window.start.astimezone(zone):%a %H:%M} to {window.end.astimezone(zone):%a %H:%M} "
        f"({deployment.traffic.timezone}): {window.gco2e_per_kwh:.0f} gCO2e/kWh, "
        f"{window.saving:.0%} less than if it starts now.\nSource: {window.source}"
    )
    return 0
