"""``schema``: print the JSON Schema of deployment files, for editors."""

from __future__ import annotations

import argparse
import json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("schema", help="print the JSON Schema of deployment files")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the schema."""
    from sustainability.offers.editor_schema import editor_schema

    print(json.dumps(editor_schema(), indent=2))
    return 0
