"""How much electricity is at stake in a finding, where facts allow an estimate.

An estimate is a range in kWh for a month of 730 hours, without the cooling of the data center. It
covers machines whose name tells their vCPUs and memory, and the units of OpenSearch Serverless.
What depends on requests or on stored bytes, and accelerators, have none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cfn_sustainability.finding import Finding
from cfn_sustainability.offers import InstanceClass, parsed

HOURS = 730
_PROCESSOR, _REST = "graviton_saving", "hours_off"
_SHARES = {
    "AutoScalingGroupScales": _REST,
    "AsyncEndpointScalesToZero": _REST,
    "BatchRestsAtZero": _REST,
    "CacheGraviton": _PROCESSOR,
    "DatabaseClusterGraviton": _PROCESSOR,
    "DatabaseGraviton": _PROCESSOR,
    "Ec2CurrentGeneration": _PROCESSOR,
    "Ec2Graviton": _PROCESSOR,
    "EmrClusterEnds": _REST,
    "EmrGraviton": _PROCESSOR,
    "ElasticsearchGraviton": _PROCESSOR,
    "EndpointRestsAtZero": _REST,
    "KnowledgeBaseStoreSleeps": _REST,
    "NotebookStopsWhenIdle": _REST,
    "OpenSearchGraviton": _PROCESSOR,
    "OpenSearchServerlessSleeps": _REST,
    "SageMakerCpuGraviton": _PROCESSOR,
    "SageMakerEndpointScales": _REST,
    "SageMakerInstanceCurrent": _PROCESSOR,
    "StopsAtNight": _REST,
}
"""What a rule spares of a machine: a part of its power, or of its hours."""
_UNITS = {"KnowledgeBaseStoreSleeps", "OpenSearchServerlessSleeps"}
_UNITS_ON = (1, 2)
"""OCUs that a classic collection keeps on: without and with standby replicas."""
_NAMES = (
    "InstanceType",
    "DBInstanceClass",
    "DBClusterInstanceClass",
    "CacheNodeType",
    "NodeType",
    "DedicatedMasterType",
)
_COUNTS = (
    "InitialInstanceCount",
    "InstanceCount",
    "NumCacheClusters",
    "NumCacheNodes",
    "DesiredCapacity",
)
_GIB_PER_VCPU = {"c": 2, "m": 4, "r": 8, "x": 16, "i": 8}
_BURSTABLE_GIB = {
    "nano": 0.5,
    "micro": 1,
    "small": 2,
    "medium": 4,
    "large": 8,
    "xlarge": 16,
    "2xlarge": 32,
}

Range = tuple[float, float]


@dataclass(frozen=True)
class Stake:
    """What a finding may spare in a month."""

    kwh: Range
    basis: str
    """The machines that are meant."""

    def __str__(self) -> str:
        low, high = self.kwh
        return f"{low:,.3g} to {high:,.3g} kWh a month ({self.basis}; estimate)"


def stake(finding: Finding) -> Stake | None:
    """Return what is at stake in a finding; None where no fact tells."""
    name = finding.demand.name
    share = _SHARES.get(name)
    if share is None or not finding.logical_id:
        return None
    if name in _UNITS:
        unit = _power(*(_fact(f"ocu/{part}")[0] for part in ("vcpu", "memory")), graviton=True)
        watts = _UNITS_ON[0] * unit[0], _UNITS_ON[1] * unit[1]
        return _spared(watts, share, f"{_UNITS_ON[0]} to {_UNITS_ON[1]} OCU")
    for holder in _holders(finding):
        machine = next((found for key in _NAMES if (found := _named(finding, holder, key))), None)
        if machine is not None:
            size = _size(machine)
            if size is None:
                return None
            count = next((n for key in _COUNTS if (n := _number(finding, holder, key))), 1.0)
            low, high = _power(*size, graviton=machine.is_graviton)
            return _spared((low * count, high * count), share, f"{count:g} x {machine.name}")
    return None


def _spared(watts: Range, share: str, basis: str) -> Stake:
    least, most = _fact(share)
    return Stake((watts[0] * least * HOURS / 1000, watts[1] * most * HOURS / 1000), basis)


def _holders(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield the mappings around a finding, the innermost first."""
    node: Any = finding.template.resources[finding.logical_id]
    nodes = [node]
    for part in finding.path:
        node = finding.template.settled(node)
        inside = isinstance(node, dict) or (isinstance(node, list) and isinstance(part, int))
        try:
            node = node[part] if inside else None
        except (LookupError, TypeError):
            break
        nodes.append(node)
    for found in reversed([finding.template.settled(node) for node in nodes]):
        if isinstance(found, dict):
            yield found


def _named(finding: Finding, holder: dict[str, Any], key: str) -> InstanceClass | None:
    name = finding.template.settled(holder.get(key))
    if not isinstance(name, str):
        return None
    return parsed(name.removesuffix(".search").removesuffix(".elasticsearch"))


def _number(finding: Finding, holder: dict[str, Any], key: str) -> float | None:
    try:
        return float(str(finding.template.settled(holder.get(key))))
    except ValueError:
        return None


def _size(machine: InstanceClass) -> tuple[float, float] | None:
    """Return the vCPUs and the GiB of memory of an instance; None where its name does not tell."""
    if machine.series == "t":
        memory = _BURSTABLE_GIB.get(machine.size)
        return (max(2.0, memory / 4), memory) if memory else None
    ratio = _GIB_PER_VCPU.get(machine.series)
    return (machine.weight / 8, machine.weight / 8 * ratio) if ratio and machine.weight else None


def _power(vcpus: float, gib: float, *, graviton: bool) -> Range:
    """Return the power in W of a part of a server, from idle to full load."""
    processor = _fact("vcpu/graviton" if graviton else "vcpu/x86")
    memory = _fact("memory")
    low, high = (processor[end] * vcpus + memory[end] * gib for end in (0, 1))
    return low, high


def _fact(key: str) -> Range:
    return _facts()[key]


@cache
def _facts() -> dict[str, Range]:
    text = files("cfn_sustainability").joinpath("data", "energy.csv").read_text(encoding="utf-8")
    return {
        row["key"]: (float(row["low"]), float(row["high"]))
        for row in csv.DictReader(text.splitlines())
    }
