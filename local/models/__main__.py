"""``python -m local.models``: serve the local models.

They replace the cloud models. The default generator quotes passages of the prompt.
GENERATOR=smollm2 is a real language model with 135 million parameters, which seldom answers right;
GENERATOR=path/to/tuned.gguf is the same model after tuning. MODEL_URL=http://127.0.0.1:8080/v1 is
any server with OpenAI's chat completions; MODEL_NAME and MODEL_API_KEY are its model and key.
Embeddings stay local.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.models.application import Application
from local.models.contracts import Generator
from local.models.e5 import E5
from local.models.openai import OpenAiServer
from local.models.quoting import Quoting
from local.models.server import Server
from local.models.smollm2 import SmolLM2
from sustainability.errors import UserError

_GENERATORS: dict[str, Callable[[], Generator]] = {"quoting": Quoting, "smollm2": SmolLM2}


def main() -> int:
    """Load the models and serve them until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m local.models",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=_port, default=4567, help="default: %(default)s")
    parser.add_argument(
        "--state", type=Path, help="every server of the embedded AWS gets one; this one needs none"
    )
    options = parser.parse_args()
    # There is nothing to clean up, and an exception can get lost in a model's native code.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    try:
        with Server(options.port) as server:
            began = time.monotonic()
            server.open(Application(_generator(), _embedder()))
            _say(f"ready at {server.url} after {time.monotonic() - began:.1f} s")
            server.serve_forever()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _generator() -> Generator:
    if url := os.environ.get("MODEL_URL"):
        if not url.startswith(("http://", "https://")):
            raise UserError(f"MODEL_URL={url}: must begin with http:// or https://")
        generator = OpenAiServer(
            url=url.rstrip("/"),
            model=os.environ.get("MODEL_NAME"),
            key=os.environ.get("MODEL_API_KEY"),
        )
        _say(f"generator: {generator.name} at {generator.url}, as MODEL_URL asks")
        return generator
    name = os.environ.get("GENERATOR", "quoting")
    if name.endswith(".gguf") and Path(name).is_file():
        local: Generator = SmolLM2(Path(name))
    elif name in _GENERATORS:
        local = _GENERATORS[name]()
    else:
        known = ", ".join(_GENERATORS)
        raise UserError(f"GENERATOR={name}: must be {known}, or an existing .gguf file")
    _say(f"generator: {local.name}, a small stand-in for the models of Bedrock and SageMaker")
    return local


def _embedder() -> E5:
    embedder = E5()
    _say(f"embedder: {embedder.name}, a small stand-in for Titan and Cohere")
    return embedder


def _say(line: str) -> None:
    print(f"models: {line}", file=sys.stderr, flush=True)


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
