"""Plan, estimate, deploy and operate a deployment: ``python -m sustainability <command>``."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from sustainability import commands
from sustainability.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success. 1: refused, or a check failed. 2: wrong arguments.
    """
    parser = argparse.ArgumentParser(prog="python -m sustainability", description=__doc__)
    subparsers = parser.add_subparsers(required=True, metavar="<command>")
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}").add_parser(subparsers)
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
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
