"""``reindex``: look at every document again, and index what is not indexed as it should be."""

from __future__ import annotations

import argparse
from pathlib import Path

from sustainability.report.console import status_line


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "reindex", help="index what is missing; a deployment does so by itself when it must"
    )
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="index every document anew, as after a loss of the store; the API answers 503 until "
        "then",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Begin, wait for the end, and say how many documents there are."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.filling import Filling

    filling = Filling(Deployment.load(options.deployment))
    with status_line() as progress:
        filling.begin(forget=options.forget, progress=progress)
        filling.wait(progress)
    print(filling.filled())
    return 0
