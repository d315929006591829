"""Starts the server in place of this process, so that there is only one process to stop."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import NoReturn

from local.opensearch.artifacts import OPENSEARCH_VERSION
from local.opensearch.home import prepare
from local.opensearch.java import java
from sustainability.errors import UserError

_CONFIG = Path(__file__).with_name("config")


def serve(*, port: int, state: Path, heap: str, cache: Path) -> NoReturn:
    """Become an OpenSearch server on the loopback interface, with data and logs under `state`.

    With `OPENSEARCH=docker` in the environment, the official image of the same version runs.

    Raises
    ------
    UserError
        If the port or the folder is in use, or the server is not available.
    OSError
        If a file cannot be written.
    """
    _require_free(port)
    state.mkdir(parents=True, exist_ok=True)
    _hold(state)
    if os.environ.get("OPENSEARCH") == "docker":
        command = docker_command(port=port, state=state, heap=heap)
    else:
        command = [
            str(java(cache)),
            *java_options(port=port, state=state, heap=heap, home=prepare(cache)),
        ]
    print(f"starting OpenSearch {OPENSEARCH_VERSION} on port {port}", file=sys.stderr, flush=True)
    # Java reads file names by the locale: in the locale C it cannot read names like café.
    os.execve(command[0], command, {**os.environ, "LC_ALL": "C.UTF-8"})


def java_options(*, port: int, state: Path, heap: str, home: Path) -> list[str]:
    """Write the configuration under `state`; return what Java is told to start the server."""
    for folder in ("config", "logs", "tmp"):
        (state / folder).mkdir(exist_ok=True)
    for file in _CONFIG.iterdir():
        shutil.copyfile(file, state / "config" / file.name)
    settings = {"http.port": port, "path.data": state / "data", "path.logs": state / "logs"}
    return [
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        # Options for a fast start, not for long runs; the classes are pinned by their hashes.
        "-XX:TieredStopAtLevel=1",
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:-BytecodeVerificationRemote",
        f"-XX:ErrorFile={state}/logs/crash-%p.log",
        f"-Djava.io.tmpdir={state}/tmp",
        # The Java of the wheel lacks Thai, and without it no index can be made: ICU has it.
        "-Djava.locale.providers=CLDR,SPI",
        # Without native code no sandbox is needed, and root (containers, CI) may start it.
        "-Djna.noclasspath=true",
        "-Djna.nosys=true",
        "-Dlog4j2.disable.jmx=true",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dslf4j.internal.verbosity=ERROR",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dopensearch.path.home={home}",
        f"-Dopensearch.path.conf={state}/config",
        "-Dopensearch.bundled_jdk=true",
        "-classpath",
        f"{home}/lib/*",
        "org.opensearch.bootstrap.OpenSearch",
        *(f"-E{name}={value}" for name, value in settings.items()),
    ]


def docker_command(*, port: int, state: Path, heap: str) -> list[str]:
    """Return the command that serves the official image, with data in a volume per `state`.

    Raises
    ------
    UserError
        If there is no Docker.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise UserError(
            "OPENSEARCH=docker needs the docker command: install it, or unset OPENSEARCH"
        )
    name = f"opensearch-{hashlib.sha256(bytes(state)).hexdigest()[:12]}"
    environment = {
        "discovery.type": "single-node",
        "cluster.default_number_of_replicas": "0",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "DISABLE_SECURITY_PLUGIN": "true",
        "DISABLE_INSTALL_DEMO_CONFIG": "true",
        "OPENSEARCH_JAVA_OPTS": f"-Xms{heap} -Xmx{heap}",
    }
    return [
        *(docker, "run", "--rm", "--name", name),
        *("--publish", f"127.0.0.1:{port}:9200"),
        *("--volume", f"{name}:/usr/share/opensearch/data"),
        *(part for item in environment.items() for part in ("--env", "=".join(item))),
        f"opensearchproject/opensearch:{OPENSEARCH_VERSION}",
    ]


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"port {port} of 127.0.0.1 is not available ({error.strerror}): "
                "stop the program that uses it, or choose another with --port"
            ) from error


def _hold(state: Path) -> None:
    # The lock survives the change of program, and ends with the server.
    lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"another OpenSearch uses {state}: stop it, or choose another folder with --state"
        ) from error
    os.set_inheritable(lock, True)
