"""The command line: ``cfn-sustainability <command>``."""

from __future__ import annotations

import argparse
import os
import sys

from cfn_sustainability import scan
from cfn_sustainability.errors import CallError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 found wanting, 2 misused."""
    parser = argparse.ArgumentParser(prog="cfn-sustainability", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="<command>")
    scanning = subparsers.add_parser("scan", help="judge CloudFormation templates")
    scan.add_arguments(scanning)
    scanning.set_defaults(run=scan.run)
    reference = subparsers.add_parser("rules", help="print the reference of all rules, in Markdown")
    reference.set_defaults(run=_rules)
    explaining = subparsers.add_parser("explain", help="say why a rule is, and how to hold it")
    explaining.add_argument("rule", metavar="RULE")
    explaining.set_defaults(run=_explain)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _rules(_: argparse.Namespace) -> int:
    from cfn_sustainability.reference import rules_markdown

    sys.stdout.write(rules_markdown())
    return 0


def _explain(options: argparse.Namespace) -> int:
    from cfn_sustainability.reference import explanation

    try:
        sys.stdout.write(explanation(scan.rule_named(options.rule)))
    except CallError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
