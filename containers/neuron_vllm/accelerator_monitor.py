"""Measure the accelerator for as long as the server lives; write the metrics to standard output.

Runs the accelerator's own tool, neuron-monitor or nvidia-smi, and starts it again when it ends or
falls silent. The period is the one of neuron-monitor.json: half a minute, so that each minute of
CloudWatch has a report.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from . import emf, neuron_report, nvidia_report
from .metrics import DIMENSIONS, METRICS, NAMESPACE, RESTARTS, SILENT, Values

_CONFIG = Path(__file__).with_name("neuron-monitor.json")
_SILENT_PERIODS = 3
_BACKOFF_SECONDS = 1
_MAX_BACKOFF_SECONDS = 60
_MAX_LINE_BYTES = 2**20
_NICENESS = 10


class Tool(NamedTuple):
    """A program that writes one line per report, how to read it, and when to give it up."""

    command: tuple[str, ...]
    measure: Callable[[bytes], Values]
    silent_seconds: int


def watch(tool: Tool, emit: Callable[[Values], None]) -> None:
    """Emit each report of the tool, and each time that it had to be started again; never return."""
    last_report = time.monotonic()
    backoff = _BACKOFF_SECONDS
    while True:
        for values in _reports(tool):
            emit({**values, RESTARTS.name: [0], SILENT.name: [0]})
            last_report = time.monotonic()
            backoff = _BACKOFF_SECONDS
        silent = time.monotonic() - last_report >= tool.silent_seconds
        emit({RESTARTS.name: [1], SILENT.name: [int(silent)]})
        time.sleep(backoff)
        backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)


def _reports(tool: Tool) -> Iterator[Values]:
    """Run the tool once; yield what it reports until it ends or falls silent."""
    try:
        process = subprocess.Popen(tool.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        _log(f"{tool.command[0]} does not start: {error}")
        return
    with process:
        assert process.stdout is not None
        try:
            yield from _measurements(process.stdout.fileno(), tool)
        finally:
            process.kill()


def _measurements(stdout: int, tool: Tool) -> Iterator[Values]:
    partial = b""
    introduced = False
    deadline = time.monotonic() + tool.silent_seconds
    while (left := deadline - time.monotonic()) > 0 and select.select([stdout], [], [], left)[0]:
        chunk = os.read(stdout, 2**16)
        if not chunk:
            _log(f"{tool.command[0]} ended")
            return
        *lines, partial = (partial + chunk).split(b"\n")
        if len(partial) > _MAX_LINE_BYTES:
            partial = b""
        for line in lines:
            if not introduced:
                # Tells, in the log, why a metric is missing: the report carries its own errors.
                _log(f"{tool.command[0]} begins: {line[:2000].decode(errors='replace')}")
                introduced = True
            if values := tool.measure(line):
                yield values
                deadline = time.monotonic() + tool.silent_seconds
    _log(f"{tool.command[0]} gave no report for {tool.silent_seconds} s")


def _end_with(server: int) -> None:
    """Kill this process group, the tool included, once the server is gone."""
    while os.getppid() == server:
        time.sleep(1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _tool(name: str) -> Tool:
    config = Path(os.environ.get("NEURON_MONITOR_CONFIG_FILE") or _CONFIG)
    try:
        period = re.fullmatch(r"([1-9]\d*)s", json.loads(config.read_text())["period"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        _give_up(f"cannot read {config}: {error!r}")
    if not period:
        _give_up(f'the period in {config} is not in whole seconds, such as "10s"')
    seconds = int(period[1])
    tools = {
        "neuron-monitor": (("-c", str(config)), neuron_report.measure),
        "nvidia-smi": ((*nvidia_report.ARGUMENTS, "-l", str(seconds)), nvidia_report.measure),
    }
    arguments, measure = tools[name]
    return Tool((name, *arguments), measure, _SILENT_PERIODS * seconds)


def _dimensions() -> dict[str, str]:
    dimensions = {name: os.environ.get(f"ACCELERATOR_{name.upper()}", "") for name in DIMENSIONS}
    for name, value in dimensions.items():
        if not value:
            _give_up(f"ACCELERATOR_{name.upper()} is not set, it is the metrics' dimension {name}")
    return dimensions


def _give_up(reason: str) -> NoReturn:
    sys.exit(f"accelerator monitor: {reason}; serving goes on without metrics")


def _log(message: str) -> None:
    print(f"accelerator monitor: {message}", file=sys.stderr, flush=True)


def main() -> None:
    """Watch an accelerator; the arguments are the server's process id and the tool to run."""
    server, name = sys.argv[1:]
    os.setsid()  # the server's signals stay away, and `_end_with` ends nothing but the monitor
    threading.Thread(target=_end_with, args=(int(server),), daemon=True).start()
    os.nice(_NICENESS)
    namespace = os.environ.get("ACCELERATOR_NAMESPACE") or NAMESPACE
    dimensions = _dimensions()
    sent = os.environ.get("ACCELERATOR_METRICS", "").split() or METRICS.keys()

    def emit(values: Values) -> None:
        now_ms = time.time_ns() // 1_000_000
        for line in emf.lines(
            values, namespace=namespace, dimensions=dimensions, timestamp_ms=now_ms, sent=sent
        ):
            os.write(sys.stdout.fileno(), line)

    watch(_tool(name), emit)


if __name__ == "__main__":
    main()
