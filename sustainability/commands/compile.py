"""``compile``: what compiles the plan's model for Inferentia2, in words to copy."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "compile",
        help="print the commands that compile the model of a deployment",
        description="Prints the commands that compile the model for the plan's batch size, length "
        "and cores and put it into the deployment's bucket. Runs nothing.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the commands, or that none are needed."""
    from sustainability.operate.cdk import Cdk
    from sustainability.plan.compiled_models import compile_commands
    from sustainability.plan.serving import plan_serving

    cdk = Cdk(options.deployment)
    plan = plan_serving(cdk.deployment)
    if plan.model is None:
        print("Bedrock answers: there is no model to compile.")
    else:
        print(compile_commands(cdk.deployment, plan.model, cdk.account), end="")
    return 0
