"""``deploy`` and ``destroy``: create and delete a deployment in the account of your credentials."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sustainability.errors import UserError
from sustainability.report.console import status_line

if TYPE_CHECKING:
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.cdk import Cdk
    from sustainability.plan.serving_plan import ServingPlan


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    for function, says in (
        (deploy, "bootstrap if needed, show what changes, ask, and deploy"),
        (destroy, "ask, destroy every stack of a deployment, and say what is kept"),
    ):
        parser = subparsers.add_parser(function.__name__, help=says)
        parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        parser.set_defaults(run=function)
        if function is deploy:
            parser.add_argument(
                "--dry-run",
                action="store_true",
                help="show what is missing and what would change, and change nothing",
            )
    parser.add_argument(
        "--everything", action="store_true", help="delete the kept buckets too, after asking"
    )


def deploy(options: argparse.Namespace) -> int:
    """Bootstrap if needed, check the account, compile the model, show the changes, ask, and deploy.

    Every step may be repeated: who runs it again goes on where it stopped. ``--dry-run`` ends
    after the changes are shown. It needs only a role that reads.
    """
    from sustainability.commands import compile as compile_
    from sustainability.operate.cdk import EMBEDDED_ACCOUNT, Cdk
    from sustainability.operate.compiling import Compiling
    from sustainability.plan.serving import plan_serving

    cdk = Cdk(options.deployment)
    place = f"account {cdk.account}, {cdk.deployment.region}"
    plan = plan_serving(cdk.deployment)
    if not options.dry_run and not cdk.is_bootstrapped():
        confirm(f"{place} is not bootstrapped for the CDK. Bootstrap it?", options.yes)
        cdk.bootstrap()
    if cdk.account != EMBEDDED_ACCOUNT:  # which has no quotas and grants every model
        _check(cdk, plan)
    if options.dry_run:
        _keep_what_answers(cdk, yes=True)
        cdk.diff(reads_only=True)
        return 0
    if plan.model is not None:
        compile_.make(cdk, Compiling(cdk.deployment, plan.model, cdk.session), options.yes)
    _keep_what_answers(cdk, options.yes)
    if not options.yes:
        cdk.diff()
    confirm(f"Deploy {cdk.deployment.name} to {place}?", options.yes)
    cdk.deploy()
    left = cdk.left()
    if _fill(cdk.deployment):
        Cdk(options.deployment).deploy(f"{cdk.deployment.name}-rag")
    _delete_left(cdk, left, options.yes)
    return 0


def _delete_left(cdk: Cdk, left: list[str], yes: bool) -> None:
    """Delete what the deployment had and has no more; what nobody calls must not run on."""
    if left:
        print(f"No longer part of {cdk.deployment.name}: {', '.join(left)}")
        confirm("Delete it, with the questions that wait there?", yes)
        cdk.delete_left(left)


def _keep_what_answers(cdk: Cdk, yes: bool) -> None:
    """Have the index that answers outlive the update: CloudFormation deletes what is left out."""
    from sustainability.operate.filling import Filling

    try:
        serving = Filling(cdk.deployment).serving()
    except UserError as error:
        print(f"The index that answers now cannot be kept: {error}")
        confirm("The API will answer 503 until a new one has all documents. Go on?", yes)
    else:
        if serving is not None:
            cdk.keep(serving)


def _fill(deployment: Deployment) -> bool:
    """Wait until the index has all documents; return whether the one before is to go."""
    from sustainability.operate.filling import Filling

    filling = Filling(deployment)
    with status_line() as progress:
        filling.wait(progress)
    print(filling.filled())
    return filling.former


def _check(cdk: Cdk, plan: ServingPlan) -> None:
    """End with what the account lacks and `deploy` cannot make."""
    from sustainability.operate.preflight import COMPILED, Status, preflight

    findings = preflight(cdk.deployment, plan, cdk.session)
    for finding in findings:
        print(finding)
    if any(
        finding.status is Status.MISSING and not finding.need.startswith(COMPILED)
        for finding in findings
    ):
        raise UserError("nothing was done; mend what is missing and deploy again")


def destroy(options: argparse.Namespace) -> int:
    """Ask, destroy every stack of a deployment, and list what is kept with its cost and energy."""
    from sustainability.operate.cdk import Cdk
    from sustainability.operate.leftovers import Leftovers

    cdk = Cdk(options.deployment)
    place = f"account {cdk.account}, {cdk.deployment.region}"
    confirm(f"Destroy {cdk.deployment.name} in {place}?", options.yes)
    cdk.destroy()
    _delete_left(cdk, cdk.left(), options.yes)
    leftovers = Leftovers(cdk.deployment, cdk.session)
    leftovers.delete_log_groups()
    kept = leftovers.buckets()
    if not kept:
        print("Nothing is kept.")
        return 0
    print("Kept:", *kept, sep="\n  ")
    if not options.everything:
        print("A new deployment uses the compiled models again. To delete all: --everything")
        return 0
    confirm("Delete these buckets with all that they hold?", options.yes)
    for leftover in kept:
        leftovers.delete(leftover)
    leftovers.delete_models()
    print("Nothing is kept.")
    return 0


def confirm(question: str, yes: bool) -> None:
    """Ask, unless ``yes``.

    Raises
    ------
    UserError
        If the answer is not yes.
    """
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("not done; answer y, or pass --yes")
