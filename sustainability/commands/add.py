"""``add``: upload documents to a deployed stack and wait until they are indexed."""

from __future__ import annotations

import argparse
from pathlib import Path

from sustainability.commands import add_wait
from sustainability.report.console import status_line


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("add", help="add documents to a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("paths", type=Path, nargs="+", help="files, or folders with files")
    add_wait(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Upload new and changed files, wait for ingest, and print the result of each document."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account, collect

    account, files = Account(Deployment.load(options.deployment)), collect(options.paths)
    uploaded = account.add(files)
    # Also those that an earlier call uploaded: ingest may still be at work on them.
    wanted = {key: etag for key, etag in account.stored().items() if key in files}
    with status_line() as progress:
        settled = account.wait_until_settled(wanted, seconds=options.wait, progress=progress)
    rejected = [state for state in settled if state.status == "rejected"]
    print(
        f"{len(files)} documents: {len(uploaded)} new or changed, "
        f"{len(settled) - len(rejected)} indexed, {len(rejected)} rejected"
    )
    for state in rejected:
        print(f"  {state.key}: {state.reason}")
    return 1 if rejected else 0
