"""``regions``: rank all Regions by carbon, with their services and the effect of a move."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "regions",
        help="rank Regions by carbon, with the services that each one offers",
        description="Ranks every Region by the carbon of one kWh of computing, with the services "
        "that it offers. With a deployment: how its carbon would change, how far its users are, "
        "and the obstacles to a move.",
    )
    parser.add_argument("deployment", type=Path, nargs="?", help="deployment file in deployments/")
    parser.add_argument(
        "--possible", action="store_true", help="only Regions where the deployment could run"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with a chart")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the ranking."""
    import json

    from sustainability.decide.region_ranking import fit_regions, rank_regions
    from sustainability.errors import UserError
    from sustainability.report import regions as report

    if options.deployment is None:
        if options.html or options.possible:
            raise UserError("--html and --possible need a deployment file")
        ranked = rank_regions()
        print(
            json.dumps([report.region_as_json(region) for region in ranked], indent=2)
            if options.json
            else report.regions_as_text(ranked)
        )
        return 0

    from sustainability.decide.next_steps import next_steps
    from sustainability.deployment.schema import Deployment
    from sustainability.plan.serving import plan_serving
    from sustainability.report.page import write

    deployment = Deployment.load(options.deployment)
    fits = fit_regions(deployment, plan_serving(deployment))
    if options.html:
        write(options.html, report.as_html(deployment, fits, next_steps(deployment)))
    shown = [
        fit
        for fit in fits
        if not options.possible or not fit.obstacles or fit.region.name == deployment.region
    ]
    print(
        json.dumps([report.fit_as_json(fit) for fit in shown], indent=2)
        if options.json
        else report.fits_as_text(deployment, shown)
    )
    return 0
