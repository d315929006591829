"""The embedded AWS as a whole: starts, finds and stops its three servers."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from local import kept, processes
from local.processes import Server
from local.surroundings import surroundings
from sustainability.errors import UserError

Progress = Callable[[str], None]

PORTS: Mapping[str, int] = {"opensearch": 9200, "models": 4567, "emulator": 4566}
_READY = {
    # Without the wait it answers 200 while it still recovers its indexes.
    "opensearch": "/_cluster/health?wait_for_status=yellow&timeout=2s",
    "models": "/health",
    "emulator": "/_ministack/health",
}


@dataclass(frozen=True)
class Endpoint:
    """A SageMaker endpoint, or the inference component that it hosts."""

    name: str
    current: int
    """Copies that serve now."""
    desired: int
    """Copies that should serve."""
    waiting: int
    """Requests in its queue."""


@dataclass(frozen=True)
class EmbeddedAws:
    """OpenSearch, the models and the emulator, all on the loopback interface.

    Parameters
    ----------
    state
        Folder for their state and their logs.
    ports
        A port for each of the three.
    cold_start_s
        Start time of a copy of a SageMaker model, by the emulator's clock.
    """

    state: Path
    ports: Mapping[str, int]
    cold_start_s: float = 10

    def start(
        self, progress: Progress, *, without: Collection[str] = (), command: str = "make up"
    ) -> list[Server]:
        """Start the servers that do not run yet, wait until all are ready, and return them.

        ``without`` names servers that are not needed: OpenSearch is downloaded at its first start.
        ``command`` is what the person typed: an error says how to repeat it.

        Raises
        ------
        UserError
            If a server cannot start. The servers that this call started are stopped again.
        """
        self._require_ports(without, command)
        self.state.mkdir(parents=True, exist_ok=True)
        if self.ended_without_notice:
            (self.state / "emulator").mkdir(exist_ok=True)
            (self.state / "emulator/running").touch()
        fresh: list[Server] = []
        with stopping_on_failure(self.state, fresh):
            for name, module in self._commands().items():
                if name not in without and processes.find(self.state, name) is None:
                    port = self.ports[name]
                    options = ["--port", str(port), "--state", str(self.state / name)]
                    line = [sys.executable, "-m", *module, *options]
                    fresh.append(processes.start(self.state, name, line, port=port))
            for server in fresh:
                processes.wait_until_ready(
                    self.state, server, _READY[server.name], seconds=600, progress=progress
                )
        return fresh

    @property
    def ended_without_notice(self) -> bool:
        """Whether the emulator does not run, and cannot go on where it ended.

        It did not save all, or the index that its tables tell of is gone.
        """
        if "emulator" in self.running():
            return False
        had_index = (self.state / "logs/opensearch.log").exists()
        lost = had_index and not (self.state / "opensearch").exists()
        return lost or kept.ended_without_notice(self.state / "emulator")

    def kept(self, deployment: str) -> dict[str, Path]:
        """Return the documents of a deployment that outlived an end without notice, by key."""
        return kept.documents(self.state / "emulator", deployment)

    def put_back(self, deployment: str) -> None:
        """Forget what :meth:`kept` returns: it is in the deployment's bucket again."""
        kept.forget(self.state / "emulator", deployment)

    def running(self) -> dict[str, Server]:
        """Return the servers that run, by name."""
        found = {name: processes.find(self.state, name) for name in self.ports}
        return {name: server for name, server in found.items() if server}

    def stop(self) -> list[str]:
        """Stop the servers that run; return their names."""
        running = self.running()
        for name in reversed(running):
            processes.stop(self.state, running[name])
        return list(running)

    def forget(self) -> None:
        """Stop everything, and delete all stacks, indexes and stored data."""
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """Return this process's environment, with the embedded AWS as AWS.

        Raises
        ------
        UserError
            If it does not run.
        """
        emulator = self._emulator()
        binaries = Path(sys.executable).parent
        path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
        return surroundings(os.environ, emulator.url) | {"PATH": path}

    @contextmanager
    def alone(self, **variables: str) -> Iterator[None]:
        """Let this process know of no AWS but this one, within the block.

        Raises
        ------
        UserError
            If it does not run.
        """
        before, within = dict(os.environ), self.environment() | variables
        os.environ.clear()
        os.environ.update(within)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def endpoints(self) -> list[Endpoint]:
        """Return the SageMaker endpoints that are deployed.

        Raises
        ------
        UserError
            If it does not run.
        """
        return [Endpoint(**each) for each in self._ask_emulator("GET", "/_local/endpoints")]

    def let_pass(self, seconds: float) -> None:
        """Move the clock forward, and run what is due meanwhile. Moving it back runs nothing.

        Raises
        ------
        UserError
            If it does not run.
        """
        self._ask_emulator("POST", f"/_local/clock?forward_s={seconds}")

    @contextmanager
    def waking_store(self) -> Iterator[None]:
        """Have the store hold its requests during the block, as a collection that wakes does."""
        server = self.running()["opensearch"]
        processes.hold(server, held=True)
        try:
            yield
        finally:
            processes.hold(server, held=False)

    def deploy(self, deployment: Path, progress: Progress) -> None:
        """Deploy with the real CDK CLI, as ``make deploy`` does to an account.

        Raises
        ------
        UserError
            If it fails, with the end of the CLI's output.
        """
        self._cdk("deploy", deployment, progress)

    def destroy(self, deployment: Path, progress: Progress) -> None:
        """Destroy with the real CDK CLI, as ``make destroy`` does in an account."""
        self._cdk("destroy", deployment, progress)

    def _cdk(self, verb: str, deployment: Path, progress: Progress) -> None:
        processes.run(
            [sys.executable, "-m", "sustainability", verb, str(deployment), "--yes"],
            environment=self.environment(),
            log=self.state / "logs" / f"{verb}.log",
            progress=progress,
        )

    def _ask_emulator(self, method: str, path: str) -> Any:
        url = self._emulator().url + path
        return urllib3.request(method, url, timeout=600, retries=False).json()

    def _emulator(self) -> Server:
        emulator = self.running().get("emulator")
        if emulator is None:
            raise UserError("the embedded AWS does not run; start it with `make up`")
        return emulator

    def _used_ports(self) -> dict[str, int]:
        """Return the port of each server: that on which it runs, whatever was asked for since."""
        return {**self.ports, **{name: server.port for name, server in self.running().items()}}

    def _require_ports(self, without: Collection[str], command: str) -> None:
        waiting = [name for name in self.ports if name not in {*without, *self.running()}]
        taken = [name for name in waiting if not processes.is_free(self.ports[name])]
        if not taken:
            return
        kept = {port for name, port in self._used_ports().items() if name not in taken}
        others: dict[str, int] = {}
        for name in taken:
            candidates = range(self.ports[name] % 50_000 + 1000, 65536)
            others[name] = next(
                port
                for port in candidates
                if port not in {*kept, *others.values()} and processes.is_free(port)
            )
        ports = ", ".join(f"{self.ports[name]} ({name})" for name in taken)
        choices = " ".join(f"{name.upper()}_PORT={port}" for name, port in others.items())
        raise UserError(
            f"taken: port{'s' if len(taken) > 1 else ''} {ports}. Stop what listens there, or "
            f"choose others: {command} {choices}"
        )

    def _commands(self) -> dict[str, list[str]]:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in self._used_ports().items()}
        places = ["--opensearch", urls["opensearch"], "--models", urls["models"]]
        return {
            "opensearch": ["local.opensearch", "serve"],
            "models": ["local.models"],
            "emulator": ["local.emulator", *places, "--cold-start", str(self.cold_start_s)],
        }


def free_ports() -> dict[str, int]:
    """Return free ports, for an embedded AWS beside another."""
    with ExitStack() as probes:
        sockets = {name: probes.enter_context(socket.socket()) for name in PORTS}
        for probe in sockets.values():
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in sockets.items()}


@contextmanager
def stopping_on_failure(state: Path, servers: list[Server]) -> Iterator[None]:
    """Stop these servers if the block is left by an error or an interruption."""
    try:
        yield
    except BaseException:
        for server in servers:
            processes.stop(state, server)
        raise
