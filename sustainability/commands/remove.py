"""``remove``: delete a document from a deployed stack."""

from __future__ import annotations

import argparse
from pathlib import Path

_PATIENCE_S = 300
"""How long the passages of a document may stay in the index."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("remove", help="delete a document from a deployed stack")
    parser.add_argument("deployment", type=Path, help="deployment file")
    parser.add_argument("key", help="key of the document, as `documents` prints it")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="delete all its versions and each stored answer that cites it, too: for a person who "
        "asks for deletion",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Delete the object in S3; ingest then removes its passages."""
    from sustainability.deployment.schema import Deployment
    from sustainability.operate.account import Account, AccountError

    account = Account(Deployment.load(options.deployment))
    if options.forget:
        versions, answers = account.forget(options.key, seconds=_PATIENCE_S)
        print(
            f"forgot {options.key}: {versions} versions, its passages, and {answers} stored answers"
        )
        return 0
    if options.key not in {state.key for state in account.documents()}:
        raise AccountError(f"no document {options.key!r}; see `python -m sustainability documents`")
    account.remove(options.key)
    print(f"removed {options.key}; its passages are removed from the index within a minute")
    return 0
