"""Background servers: started once, found again, and stopped with all their processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sustainability.errors import UserError

_READING_S = 60
"""How long OpenSearch may say after its first answer that it has indexes and reads none."""
_AT_WORK = ("initializing_shards", "number_of_pending_tasks", "number_of_in_flight_fetch")


class ServerError(UserError):
    """A server that cannot start. The message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A background process that serves one port of the loopback interface."""

    name: str
    pid: int
    born: float
    """When the process started, because the system can reuse its id."""
    port: int

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether this process still runs."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.born and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def find(state: Path, name: str) -> Server | None:
    """Return the running server with this name, if there is one."""
    try:
        server = Server(**json.loads((state / f"{name}.json").read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return _search(state, name)
    return server if server.alive else None


def _search(state: Path, name: str) -> Server | None:
    """Return the server whose file cannot be read: its command names its folder and its port."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        command = " ".join(process.info["cmdline"] or ())
        port = re.search(r"\bport[ =](\d+)", command)
        if port and str(state / name) in command:
            return Server(name, process.pid, process.info["create_time"], int(port[1]))
    return None


def is_free(port: int) -> bool:
    """Return whether a server can listen on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start(state: Path, name: str, command: list[str], *, port: int) -> Server:
    """Start a server in a session of its own; its output goes to ``<state>/logs/<name>.log``."""
    log = _log(state, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(
        name=name, pid=process.pid, born=psutil.Process(process.pid).create_time(), port=port
    )
    file = state / f"{name}.json"
    written = file.with_suffix(".new")
    written.write_text(json.dumps(asdict(server)))
    written.rename(file)
    return server


def wait_until_ready(
    state: Path, server: Server, path: str, *, seconds: float, progress: Callable[[str], None]
) -> None:
    """Wait until a GET of ``path`` answers 200.

    Raises
    ------
    ServerError
        If the process ends before, or the time is over. The message has the end of its log.
    """
    deadline = time.monotonic() + seconds
    stuck_since: float | None = None
    log = _log(state, server.name)
    while True:
        try:
            with urllib.request.urlopen(server.url + path, timeout=5) as response:
                if response.status == 200:
                    return
        except urllib.error.HTTPError as error:
            if not _is_stuck(error.read()):
                stuck_since = None
            elif stuck_since is None:
                stuck_since = time.monotonic()
            elif time.monotonic() - stuck_since > _READING_S:
                raise ServerError(
                    f"{server.name} cannot read its data: delete the folder {state / server.name} "
                    "and run `make up` again; it indexes the documents anew"
                ) from error
        except OSError:
            pass
        words = log.read_text(errors="replace").splitlines()
        if not server.alive:
            full = [] if shutil.disk_usage(state).free else [f"the disk of {state} is full"]
            # A server of ours ends with one sentence; another may end with a traceback.
            told = words[-5:] if any("Traceback" in line for line in words) else words[-1:]
            raise ServerError(f"{server.name} did not start: " + "\n".join([*told, *full]))
        if time.monotonic() > deadline:
            raise ServerError(f"{server.name} is not ready after {seconds:.0f} s; see {log}")
        progress(f"{server.name}: {words[-1][:100] if words else 'starting'}")
        time.sleep(0.2)


def _is_stuck(health: bytes) -> bool:
    """Return whether OpenSearch misses indexes and does nothing about it: it can be slow, too."""
    try:
        told = json.loads(health)
    except ValueError:
        return False
    return told.get("status") == "red" and not any(told.get(name) for name in _AT_WORK)


def hold(server: Server, *, held: bool) -> None:
    """Have a server take requests and answer none, or go on where it was."""
    os.killpg(server.pid, signal.SIGSTOP if held else signal.SIGCONT)


def stop(state: Path, server: Server, *, seconds: float = 120) -> None:
    """End a server and the processes that it started; kill those that do not end in time."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        deadline = time.monotonic() + patience
        while server.alive and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.pid, os.WNOHANG)  # it may be our own child
            time.sleep(0.05)
    (state / f"{server.name}.json").unlink(missing_ok=True)


def run(
    command: list[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    progress: Callable[[str], None],
) -> None:
    """Run a command to its end and show its last line. An interruption ends all its processes.

    Raises
    ------
    ServerError
        If it fails. The message has the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env=dict(environment),
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1]:
                progress(lines[-1][:100])
        process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.write_text("\n".join(lines) + "\n")
    if process.returncode:
        raise ServerError("\n".join([*lines[-25:], f"{' '.join(command[:3])} failed; see {log}"]))


def _log(state: Path, name: str) -> Path:
    return state / "logs" / f"{name}.log"
