"""``compile``: compile the plan's model for Inferentia2, as a job in the account."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainability.operate.cdk import Cdk
    from sustainability.operate.compiling import Compiling


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "compile",
        help="compile the model of a deployment for Inferentia2, once",
        description="Compiles the model for the plan's batch size, length and cores with a "
        "SageMaker training job, which writes it into the deployment's bucket. Does nothing if it "
        "is there, and follows the job if one runs.",
    )
    parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--commands",
        action="store_true",
        help="run nothing; print the commands that compile it on a machine of your own",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Deploy what a compile job needs, start or follow it, or say that none is needed."""
    from sustainability.operate.cdk import Cdk
    from sustainability.operate.compiling import Compiling
    from sustainability.plan.compiled_models import compile_commands
    from sustainability.plan.serving import plan_serving

    cdk = Cdk(options.deployment)
    shape = plan_serving(cdk.deployment).model
    if shape is None:
        print("Bedrock answers: there is no model to compile.")
    elif options.commands:
        print(compile_commands(cdk.deployment, shape, cdk.account), end="")
    else:
        make(cdk, Compiling(cdk.deployment, shape, cdk.session), options.yes)
    return 0


def make(cdk: Cdk, compiling: Compiling, yes: bool) -> None:
    """Compile the model, unless it is compiled: ask, deploy its stack, start or follow the job."""
    from sustainability.commands.deploy import confirm
    from sustainability.facts.lookup import Facts
    from sustainability.plan.compiled_models import COMPILE_INSTANCE, COMPILE_TAKES
    from sustainability.report.console import status_line

    stack = f"{cdk.deployment.name}-models"
    if not compiling.done:
        usd = Facts()(f"prices/instance/{COMPILE_INSTANCE}", "USD/h").mid
        confirm(
            f"The model is not compiled. Deploy {stack} (its bucket, image and role), and compile "
            f"on one {COMPILE_INSTANCE}? That takes {COMPILE_TAKES}, at about ${usd:.2f} an hour.",
            yes,
        )
        cdk.deploy(stack)
    with status_line() as progress:
        outcome = compiling.run(progress)
    print(outcome)
