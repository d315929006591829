"""``remove``: delete a document from a deployed stack."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("remove", help="delete a document from a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("key", help="key of the document, as `documents` prints it")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Delete the object in S3; ingest then removes its passages."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account, AccountError

    account = Account(Deployment.load(options.deployment))
    if options.key not in {state.key for state in account.documents()}:
        raise AccountError(f"no document {options.key!r}; see `python -m sustainability documents`")
    account.remove(options.key)
    print(f"removed {options.key}; its passages are removed from the index within a minute")
    return 0
