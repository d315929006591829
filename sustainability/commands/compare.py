"""``compare``: Bedrock compared with your own instance, by requests per hour."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "compare",
        help="compare Bedrock with an instance: energy, carbon and cost by requests per hour",
        description="Shows the break-even: above how many requests per hour an instance has lower "
        "energy, carbon or cost than Bedrock. Uses the token counts of the deployment.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.add_argument(
        "--instance",
        action="append",
        default=[],
        metavar="TYPE=REQUESTS",
        help="an instance type and the highest number of requests per hour that one instance can "
        "answer, such as ml.inf2.xlarge=4000; can be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the comparison."""
    import json

    from sustainability.decide.break_even_curves import curves, meetings
    from sustainability.decide.instance_offers import offers
    from sustainability.decide.next_steps import next_steps
    from sustainability.deployment.schema import Deployment
    from sustainability.errors import UserError
    from sustainability.report import compare as report
    from sustainability.report.page import write

    deployment = Deployment.load(options.deployment)
    if not deployment.answers.generated:
        raise UserError("answers.generator is extractive: there are no tokens to compare")
    offered = offers(deployment, options.instance)
    drawn, met = curves(deployment, offered), meetings(deployment, offered)
    if options.html:
        write(options.html, report.as_html(deployment, drawn, met, next_steps(deployment)))
    print(
        json.dumps(report.as_json(deployment, drawn, met), indent=2)
        if options.json
        else report.as_text(deployment, met)
    )
    return 0
