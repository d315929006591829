"""Plan, estimate, deploy and operate a deployment: ``python -m sustainability <command>``."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from sustainability import commands
from sustainability.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Accepts options between the arguments, as in ``ask FILE --json "question"``."""

    _within = False

    def parse_known_args(  # type: ignore[override]
        self, args: list[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options first, then arguments; Python 3.11 does so by calling this method."""
        if self._within or self._subparsers:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success. 1: refused, or a check failed. 2: wrong arguments.
    """
    parser = _Parser(prog="python -m sustainability", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="<command>")
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}").add_parser(subparsers)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        cure = "run `make setup`, then `source .venv/bin/activate`"
        print(f"{error.name} is not installed for this Python: {cure}", file=sys.stderr)
        return 1
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
