"""``preflight``: check what is missing in the AWS account before a deployment."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "preflight",
        help="check whether the AWS account has what a deployment needs",
        description="Checks quotas, access to Bedrock models, the serving image and the compiled "
        "model in the account of your credentials. Changes nothing.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the result of every check; return 1 if something is missing."""
    import boto3

    from sustainability.decide.region_requirements import checked_plan
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.preflight import Status, preflight

    deployment = Deployment.load(options.deployment)
    plan = checked_plan(deployment)
    findings = preflight(deployment, plan, boto3.Session(region_name=deployment.region))
    for finding in findings:
        print(finding)
    return int(any(finding.status is Status.MISSING for finding in findings))
