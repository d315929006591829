"""The entrypoint as SageMaker runs it, with a server, a neuron-monitor and a nvidia-smi of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from containers.neuron_vllm import accelerator_monitor, entrypoint

T = TypeVar("T")
ReadEmf = Callable[[bytes], dict[str, list[float]]]

SERVER = """
import json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(json.dumps({"args": sys.argv[1:], "pid": os.getpid(), "group": os.getpgrp()}), flush=True)
if os.environ.get("SERVER_EXITS"):
    sys.exit(5)
while True:
    signal.pause()
"""

# Plays one script per start; the last one again if it is started more often.
TOOL = """
import json, os, sys, time
from pathlib import Path
starts = Path(__file__).with_suffix(".starts")
with starts.open("a") as file:
    file.write(json.dumps({"args": sys.argv[1:], "monitor": os.getppid(), "group": os.getpgrp(),
                           "niceness": os.nice(0)}) + "\\n")
scripts = json.loads(Path(__file__).with_suffix(".script").read_text())
for action, text in scripts[min(len(starts.read_text().splitlines()), len(scripts)) - 1]:
    if action == "write":
        print(text, end="", flush=True)
    elif action == "babble":
        while True:
            print(text, flush=True)
    elif action == "hang":
        time.sleep(600)
"""


class Container:
    """The entrypoint in a folder of its own, and what it wrote so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.model = folder / "model"
        (self.model / "checkpoint" / "weights").mkdir(parents=True)
        for name in ("neuron_config.json", "model.pt", "checkpoint/weights/tp0.safetensors"):
            (self.model / name).touch()
        self.config = folder / "neuron-monitor.json"
        self.config.write_text('{"period": "1s"}')
        self.output = folder / "stdout"
        self.environ = {
            "PATH": str(self.programs),
            "SERVER_ENTRYPOINT": str(self.program("server", SERVER)),
            "SM_ON_MODEL": str(self.model),
            "ACCELERATOR_DEPLOYMENT": "test",
            "ACCELERATOR_ENDPOINT": "answers",
            "NEURON_MONITOR_CONFIG_FILE": str(self.config),
        }
        self.process: subprocess.Popen[str] | None = None

    def program(self, name: str, source: str) -> Path:
        path = self.programs / name
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)
        return path

    def tool(self, name: str, *scripts: list[tuple[str, str]]) -> None:
        path = self.program(name, TOOL)
        path.with_suffix(".script").write_text(json.dumps(scripts))

    def starts(self, name: str = "neuron-monitor") -> list[dict[str, Any]]:
        path = (self.programs / name).with_suffix(".starts")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def start(self, *args: str) -> subprocess.Popen[str]:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, entrypoint.__file__, *args],
                env=self.environ,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
            )
        return self.process

    def wait(self) -> tuple[int, str]:
        """Wait until nothing that the container started is left; return exit code and log."""
        assert self.process
        # Server, monitor and tool all hold this pipe: it is at its end when all of them are gone.
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log

    def terminate(self) -> int:
        """Tell the server to end, once it knows how to; return its exit code."""
        assert self.process
        self.server()
        self.process.terminate()
        return self.wait()[0]

    def server(self) -> dict[str, Any]:
        return self.until(
            lambda: next((json.loads(line) for line in self.lines() if b'"args"' in line), None)
        )

    def reports(self, read_emf: ReadEmf) -> list[dict[str, list[float]]]:
        return [read_emf(line) for line in self.lines() if b'"_aws"' in line]

    def lines(self) -> list[bytes]:
        """Every whole line written to standard output."""
        lines = self.output.read_bytes().splitlines(keepends=True)
        return [line for line in lines if line.endswith(b"\n")]

    def until(self, observe: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if seen := observe():
                return seen
            time.sleep(0.05)
        raise AssertionError(f"not seen in time; stdout so far: {self.output.read_text()}")


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    container = Container(tmp_path)
    yield container
    if container.process and container.process.returncode is None:
        container.process.kill()
        container.wait()


def report(sample: bytes) -> tuple[str, str]:
    return "write", sample.decode() + "\n"


HANG = ("hang", "")


def test_the_server_gets_the_arguments_and_gives_the_exit_code(container: Container) -> None:
    container.tool("neuron-monitor", [HANG])
    container.environ["SERVER_EXITS"] = "yes"
    process = container.start("serve", "--name", "two words")
    assert container.wait()[0] == 5
    assert container.server()["args"] == ["serve", "--name", "two words"]
    assert container.server()["pid"] == process.pid


def test_reports_become_metrics_until_the_server_is_told_to_end(
    container: Container, sample: bytes, read_emf: ReadEmf
) -> None:
    noise = ("write", 'no report\n\n{"half": \n')
    # Longer than a pipe holds, so that it arrives in parts.
    long = json.dumps({**json.loads(sample), "unknown": "x" * 200_000}).encode()
    container.tool("neuron-monitor", [noise, report(long), report(sample), HANG])
    container.start("serve")
    container.until(lambda: len(container.reports(read_emf)) == 2)
    assert container.terminate() == 7

    for values in container.reports(read_emf):
        assert values["NeuronCoreUtilization"] == [89.401, 0]
        assert values["MonitorRestarts"] == values["MonitorSilent"] == [0]
    line = json.loads(container.lines()[-1])
    assert (
        line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "SustainableGenerativeAI/Accelerator"
    )
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Deployment", "Endpoint"]]
    assert (line["Deployment"], line["Endpoint"]) == ("test", "answers")
    (start,) = container.starts()
    assert start["args"] == ["-c", str(container.config)]
    assert start["niceness"] == os.nice(0) + 10
    assert start["group"] != container.server()["group"]


def test_a_monitor_that_ends_is_started_again(
    container: Container, sample: bytes, read_emf: ReadEmf
) -> None:
    container.tool("neuron-monitor", [report(sample)], [report(sample), HANG])
    container.start("serve")
    container.until(lambda: len(container.reports(read_emf)) == 3)
    restarts = [values["MonitorRestarts"] for values in container.reports(read_emf)]
    assert restarts == [[0], [1], [0]]
    assert len(container.starts()) == 2


@pytest.mark.parametrize(
    "silence", [HANG, ("babble", "no report\n" * 5000)], ids=["hang", "babble"]
)
def test_a_silent_monitor_is_reported_and_started_again(
    container: Container, sample: bytes, read_emf: ReadEmf, silence: tuple[str, str]
) -> None:
    container.tool("neuron-monitor", [silence], [report(sample), HANG])
    container.start("serve")
    container.until(lambda: len(container.reports(read_emf)) == 2)
    silent, spoken = container.reports(read_emf)
    assert silent == {"MonitorRestarts": [1], "MonitorSilent": [1]}
    assert spoken["MonitorSilent"] == [0]


def test_the_server_outlives_the_monitor(
    container: Container, sample: bytes, read_emf: ReadEmf
) -> None:
    container.tool("neuron-monitor", [report(sample), HANG])
    container.start("serve")
    container.until(lambda: container.reports(read_emf))
    os.killpg(container.starts()[0]["group"], signal.SIGKILL)
    assert container.terminate() == 7


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda c: c.environ.pop("ACCELERATOR_ENDPOINT"), "ACCELERATOR_ENDPOINT is not set"),
        (lambda c: c.config.unlink(), "No such file"),
        (lambda c: c.config.write_text("{"), "cannot read"),
        (lambda c: c.config.write_text('{"period": "1.0s"}'), "whole seconds"),
        (lambda c: c.config.write_text('{"period": 5}'), "cannot read"),
        (lambda c: (c.programs / "neuron-monitor").unlink(), "neuron-monitor does not start"),
    ],
)
def test_without_a_monitor_the_server_serves(
    container: Container, break_it: Callable[[Container], object], says: str
) -> None:
    container.tool("neuron-monitor", [HANG])
    break_it(container)
    process = container.start("serve")
    assert process.stderr
    complaint = process.stderr.readline()
    assert complaint.startswith("accelerator monitor: ")
    assert says in complaint
    assert container.terminate() == 7


def test_on_a_gpu_nvidia_smi_is_read_and_no_compiled_model_is_asked_for(
    container: Container, read_emf: ReadEmf
) -> None:
    del container.environ["SM_ON_MODEL"]
    container.tool("nvidia-smi", [("write", "87, 41, P2, 112.53, 18432, 23028\n"), HANG])
    container.start("serve")
    container.until(lambda: container.reports(read_emf))
    (values,) = container.reports(read_emf)
    assert (values["GpuUtilization"], values["GpuPerformanceState"]) == ([87], [2])
    assert container.starts("nvidia-smi")[0]["args"][-2:] == ["-l", "1"]


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda c: c.environ.update(SM_ON_ALLOW_NON_CACHED_MODEL=""), "unset it"),
        (lambda c: c.environ.pop("SM_ON_MODEL"), "SM_ON_MODEL is not set"),
        (lambda c: c.environ.update(SM_ON_MODEL="Qwen/Qwen3-0.6B"), "Qwen3-0.6B has no"),
        (lambda c: (c.model / "neuron_config.json").unlink(), "has no neuron_config.json, so"),
        (lambda c: (c.model / "model.pt").unlink(), "has no model.pt, so"),
        (lambda c: next(c.model.rglob("*.safetensors")).unlink(), "download the weights"),
        (lambda c: c.environ.pop("SERVER_ENTRYPOINT"), "SERVER_ENTRYPOINT='' is no executable"),
        (lambda c: (c.programs / "server").chmod(0o644), "is no executable file"),
    ],
)
def test_a_start_that_cannot_go_well_is_refused(
    container: Container, break_it: Callable[[Container], object], says: str
) -> None:
    container.tool("neuron-monitor", [HANG])
    break_it(container)
    container.start("serve")
    code, log = container.wait()
    assert code == 1
    assert says in log
    assert len(log.splitlines()) == 1
    assert container.lines() == []
    assert container.starts() == []


def test_restarts_come_ever_later_up_to_a_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pauses: list[float] = []
    emitted: list[dict[str, list[float]]] = []

    class EnoughSeenError(Exception):
        pass

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            raise EnoughSeenError

    monkeypatch.setattr(time, "sleep", sleep)
    tool = accelerator_monitor.Tool((str(tmp_path / "absent"),), lambda line: {}, 90)
    with pytest.raises(EnoughSeenError):
        accelerator_monitor.watch(tool, emitted.append)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert emitted == [{"MonitorRestarts": [1], "MonitorSilent": [0]}] * 9
