"""Read a report of neuron-monitor: one JSON object a line, its counts per period.

https://awsdocs-neuron.readthedocs-hosted.com/en/latest/tools/neuron-sys-tools/neuron-monitor-user-guide.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .metrics import NEURON, POWER, Found, Values, is_plausible

DEVICES = Path("/sys/devices/virtual/neuron_device")


def measure(line: bytes, *, devices: Path = DEVICES) -> Values:
    """Measure what a line reports, and the power of `devices`; nothing if it is no report."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    measured: Values = {}
    for metric in NEURON:
        sources = [_find(report, source.split(".")) for source in metric.sources]
        found = [source for source in sources if source is not None]
        if len(found) == len(sources) and (values := metric.values(*found)):
            measured[metric.name] = values
    if measured and (values := POWER.values(_power(devices))):
        measured[POWER.name] = values
    return measured


def _find(node: object, path: Sequence[str], key: str = "") -> Found | None:
    """Find the numbers at a path: None if the report does not say, empty if it says there are none.

    Whatever neuron-monitor could not read carries an `error`; its numbers are then not to be used.
    """
    if not path:
        return [(key, node)] if is_plausible(node) else None
    if isinstance(node, dict) and node.get("error"):
        return None
    step, *rest = path
    if step != "*":
        return _find(node[step], rest, key) if isinstance(node, dict) and step in node else None
    if node is None:
        return []
    if not isinstance(node, (dict, list)):
        return None
    elements = node.items() if isinstance(node, dict) else enumerate(node)
    findings = [_find(element, rest, str(key)) for key, element in elements]
    found = [finding for finding in findings if finding is not None]
    return [pair for finding in found for pair in finding] if found or not findings else None


def _power(devices: Path) -> Found:
    """Read each device's average power of the last minute, in percent.

    The driver writes `status,epoch,minimum,maximum,average`, from version 2.21.37 on.
    """
    found: Found = []
    for path in sorted(devices.glob("neuron*/stats/power/utilization")):
        try:
            status, _, _, _, average = path.read_text().strip().split(",")
            value = float(average)
        except (OSError, ValueError):
            continue
        if status == "POWER_STATUS_VALID" and is_plausible(value):
            found.append((str(path), value))
    return found
