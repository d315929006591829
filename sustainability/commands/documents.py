"""``documents``: list the documents of a deployed stack, with their state."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("documents", help="list the documents of a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the documents in the order of their keys, with state and reason.

    While an index is being filled, say how far it is.
    """
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account
    from sustainability.operate.filling import Filling

    deployment = Deployment.load(options.deployment)
    states = Account(deployment).present()
    if options.json:
        print(json.dumps([asdict(state) for state in states], indent=2))
        return 0
    for state in states:
        print(f"{state.status:9} {state.chunks:4} passages  {state.key}  {state.reason}".rstrip())
    filled = Filling(deployment).filled()
    if filled.walking or not filled.complete:
        print(filled)
    return 0
