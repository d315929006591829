"""Starts the embedded AWS: MiniStack, and additions that our stacks need.

It serves on the loopback interface until SIGTERM or SIGINT, keeps its state between runs, and is
ready when GET /_ministack/health answers. GET /_local/resources lists what exists, GET
/_local/endpoints how many copies SageMaker endpoints have, GET /_local/grants what the roles of
functions may do and did, and POST /_local/clock?forward_s=300 lets five minutes pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import sys
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from local import kept
from local.surroundings import aws_variables

if TYPE_CHECKING:
    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

    from local.heartbeat import Servers

_HOST = "127.0.0.1"
_RESERVE_BYTES = 32 << 20
"""Space on the disk that must stay free for the state of the services."""
_FULL = (
    "<Error><Code>ServiceUnavailable</Code><Message>the disk of the embedded AWS is full; nothing "
    "was changed</Message></Error>"
)
# Functions inherit the emulator's environment: it must contain only what AWS gives them.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LOG_LEVEL")


def main() -> None:
    """Parse the command line, prepare this process, serve."""
    parser = argparse.ArgumentParser(prog="python -m local.emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps the state")
    parser.add_argument("--opensearch", required=True, help="URL of the OpenSearch server")
    parser.add_argument("--models", required=True, help="URL of the Bedrock and SageMaker stand-in")
    parser.add_argument("--cold-start", type=float, default=10, help="seconds, default %(default)s")
    args = parser.parse_args()
    _require_free(args.port)
    state: Path = args.state.resolve()
    running = state / "running"
    if kept.ended_without_notice(state):
        print("The embedded AWS ended without notice last time: it starts empty.", file=sys.stderr)
        kept.set_aside(state)
    _prepare_environment(args.port, state)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_serve(args, state, running))
    # A normal exit waits for every thread, and a custom resource can wait for an hour.
    sys.stdout.flush()
    os._exit(0)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            sys.exit(f"Port {port} is taken: stop what listens there, or choose another --port.")


def _prepare_environment(port: int, state: Path) -> None:
    """Set the variables that MiniStack and the functions read; remove all others."""
    # Identity providers are trusted as the caller trusts them (SSL_CERT_FILE); as for functions,
    # no proxy stands between the services.
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    direct = urllib.request.ProxyHandler({})
    urllib.request.install_opener(urllib.request.build_opener(trusting, direct))
    inherited = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ.clear()
    os.environ.update(
        inherited,
        AUTH="true",  # signatures and IAM policies are enforced
        TMPDIR=str(temporary),
        GATEWAY_PORT=str(port),
        PERSIST_STATE="1",
        STATE_DIR=str(state / "services"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(state / "objects"),
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        **aws_variables(f"http://{_HOST}:{port}"),
    )


async def _serve(args: argparse.Namespace, state: Path, running: Path) -> None:
    # MiniStack reads its environment when it is imported.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.core import lambda_runtime

    from local import heartbeat, job_runs, ministack_patches

    _extend(state, args)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [f"{_HOST}:{args.port}"]
    servers = heartbeat.Servers(args.models, args.opensearch.rstrip("/"))
    beat = asyncio.create_task(heartbeat.beat(servers))
    running.touch()
    application = partial(_application, state, servers)
    unsaved = _Errors()
    logging.getLogger("persistence").addHandler(unsaved)
    await serve(application, config, shutdown_trigger=stop.wait)
    beat.cancel()
    job_runs.stop_all()
    lambda_runtime.reset()
    ministack_patches.wait_until_functions_have_ended()
    if not (_deploying() or unsaved.seen):
        running.unlink()


class _Errors(logging.Handler):
    """Notes whether MiniStack reported an error, such as a file that it could not save."""

    seen = False

    def __init__(self) -> None:
        super().__init__(logging.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.seen = True


def _extend(state: Path, args: argparse.Namespace) -> None:
    from local import (
        alarms,
        autoscaling,
        bedrock,
        clock,
        cloudformation,
        emf,
        endpoints,
        grants,
        job_runs,
        message_moves,
        ministack_patches,
        prompts,
        sagemaker,
        search_index,
        service_metrics,
        vectors,
        weights,
    )
    from local.pipelines import executions

    opensearch_url = args.opensearch.rstrip("/")
    clock.install()
    cloudformation.register(
        {
            **search_index.behaviours(opensearch_url),
            **endpoints.install(cold_start_s=args.cold_start),
            **executions.behaviours(),
            **vectors.behaviours(),
            **prompts.behaviours(),
            "AWS::CloudWatch::CompositeAlarm": alarms.composite_behaviour(),
        }
    )
    ministack_patches.apply(runtime=state / "runtime", opensearch_url=opensearch_url)
    alarms.replace_evaluation()
    message_moves.install()
    emf.forward_log_events()
    service_metrics.publish_lambda_metrics()
    service_metrics.publish_api_metrics()
    bedrock.install(args.models)
    job_runs.install(state / "jobs")
    weights.install(state / "weights")
    prompts.install()
    sagemaker.install(args.models)
    autoscaling.install()
    vectors.install()
    grants.record()


def _deploying() -> bool:
    """Return whether a deployment was interrupted: its stack could never be completed."""
    from local.ministack_internals import stacks

    return any(stack["StackStatus"].endswith("_IN_PROGRESS") for stack in stacks())


async def _application(
    state: Path,
    servers: Servers,
    scope: Scope,
    receive: ASGIReceiveCallable,
    send: ASGISendCallable,
) -> None:
    """MiniStack's ASGI application with our own routes.

    It keeps an object that it cannot write in its memory, and loses it when it ends; so it does
    with a deletion, which is a version of the object. So both are refused while the disk is full.
    """
    from ministack import app

    from local import clock, grants, heartbeat, inventory, sagemaker

    if scope["type"] != "http" or not scope["path"].startswith("/_local/"):
        writes = scope["type"] == "http" and scope["method"] in ("PUT", "DELETE")
        if writes and shutil.disk_usage(state).free < _RESERVE_BYTES:
            await _answer(send, 503, "application/xml", _FULL)
        else:
            await app.app(scope, receive, send)
        return
    answer: Any
    match scope["method"], scope["path"]:
        case "GET", "/_local/resources":
            answer = inventory.resources()
        case "GET", "/_local/endpoints":
            answer = sagemaker.status()
        case "GET", "/_local/grants":
            answer = grants.recorded()
        case "POST", "/_local/clock":
            seconds = parse_qs(scope["query_string"].decode())["forward_s"][0]
            await heartbeat.let_pass(float(seconds), servers)
            answer = {"now": clock.now()}
        case request:
            raise LookupError(f"no {request}")
    await _answer(send, 200, "application/json", json.dumps(answer))


async def _answer(send: ASGISendCallable, status: int, media: str, body: str) -> None:
    headers = [(b"content-type", media.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode(), "more_body": False})


if __name__ == "__main__":
    main()
