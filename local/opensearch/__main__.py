"""``python -m local.opensearch``: the OpenSearch server of the embedded AWS."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from local.opensearch.home import prepare
from local.opensearch.java import java
from local.opensearch.server import serve
from sustainability.errors import UserError


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.opensearch", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="<command>")
    serving = commands.add_parser("serve", help="start the server in the foreground")
    serving.add_argument("--port", type=_port, default=9200, help="default: %(default)s")
    serving.add_argument("--state", type=Path, required=True, help="folder for data and logs")
    serving.add_argument("--heap", type=_heap, default="512m", help="default: %(default)s")
    preparing = commands.add_parser("prepare", help="download and verify server and Java, no more")
    for command in (serving, preparing):
        command.add_argument(
            "--cache",
            type=Path,
            default=_cache(),
            help="folder for the server's files: %(default)s",
        )
    options = parser.parse_args()
    try:
        if options.command == "prepare":
            java(options.cache.resolve())
            print(prepare(options.cache.resolve()))
        else:
            serve(
                port=options.port,
                state=options.state.resolve(),
                heap=options.heap,
                cache=options.cache.resolve(),
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"cannot write {error.filename or options.cache} ({error.strerror}): "
            "set HOME or XDG_CACHE_HOME to a folder that you can write to",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "sustainable-genai" / "opensearch"


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 1 to 65535")
    return int(text)


def _heap(text: str) -> str:
    if not re.fullmatch(r"\d+[mg]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 512m or 1g")
    return text


if __name__ == "__main__":
    sys.exit(main())
