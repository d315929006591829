"""The commands of ``python -m sustainability``, one module each, and the option that some share."""

from __future__ import annotations

import argparse


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Declare how long a command waits for ingest."""
    parser.add_argument(
        "--wait",
        type=float,
        default=300,
        metavar="SECONDS",
        help="how long to wait for ingest (default: 300)",
    )
