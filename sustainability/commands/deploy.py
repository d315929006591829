"""``deploy`` and ``destroy``: a deployment into the account of your credentials, and out again."""

from __future__ import annotations

import argparse
from pathlib import Path

from sustainability.errors import UserError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    for function, says in (
        (deploy, "bootstrap if needed, show what changes, ask, and deploy"),
        (destroy, "ask, and destroy every stack of a deployment"),
    ):
        parser = subparsers.add_parser(function.__name__, help=says)
        parser.add_argument("deployment", type=Path, help="deployment file in deployments/")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.set_defaults(run=function)


def deploy(options: argparse.Namespace) -> int:
    """Bootstrap if needed, show what changes, ask, and deploy."""
    from sustainability.operate.cdk import Cdk

    cdk = Cdk(options.deployment)
    place = f"account {cdk.account()}, {cdk.deployment.region}"
    if not cdk.is_bootstrapped():
        _confirm(f"{place} has never been used with the CDK. Bootstrap it?", options.yes)
        cdk.bootstrap()
    if not options.yes:
        cdk.diff()
    _confirm(f"Deploy {cdk.deployment.name} to {place}?", options.yes)
    cdk.deploy()
    return 0


def destroy(options: argparse.Namespace) -> int:
    """Ask, and destroy every stack of a deployment."""
    from sustainability.operate.cdk import Cdk

    cdk = Cdk(options.deployment)
    place = f"account {cdk.account()}, {cdk.deployment.region}"
    _confirm(f"Destroy {cdk.deployment.name} in {place}?", options.yes)
    cdk.destroy()
    return 0


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("nothing was done; answer y, or pass --yes")
