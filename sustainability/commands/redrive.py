"""``redrive``: have ingest look again at the documents that became dead letters."""

from __future__ import annotations

import argparse
from pathlib import Path

from sustainability.commands import add_wait
from sustainability.report.console import status_line


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "redrive", help="ingest again what became a dead letter, deletions included"
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    add_wait(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send the dead letters back, wait for ingest, and print which of them came back.

    The exit code is 1 if there are dead letters or unfinished work afterwards.
    """
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.dead_letters import DeadLetters

    letters = DeadLetters(Deployment.load(options.deployment))
    with status_line() as progress:
        count = letters.send_back(progress)
        working = count and letters.wait_until_worked_off(seconds=options.wait, progress=progress)
    if not count:
        print("there are no dead letters")
        return 0
    again = letters.read()
    print(f"{count} dead letters sent back, {len(again)} are dead letters again")
    for letter in again:
        print(f"  {letter.document}: {letter.reason}")
    if working:
        print(
            f"{working} messages of the ingest queue are not done yet; what fails is tried again "
            "within minutes"
        )
    return 1 if again or working else 0
