"""Power and embodied carbon of the machines behind AWS services, before PUE."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_MIB_PER_GIB = 1024
_HOURS_PER_YEAR = 8760
_SERVICE_PREFIXES = ("ml.", "db.", "cache.")
_SHAPE = re.compile(r"(?P<family>[a-z]+)\d(?P<options>[a-z-]*)\.(?P<times>\d*)(?P<size>[a-z]+)")
_VCPUS = {"medium": 1, "large": 2, "xlarge": 4}
"""vCPUs by the size in the name of an instance type; ``2xlarge`` has twice those of ``xlarge``."""
_BURSTABLE = "t"
_BURSTABLE_VCPUS_MIN = 2
_GRAVITON_FAMILIES = frozenset({"or", "om", "oi"})
"""OpenSearch optimized instances: they are Graviton, but their names do not show it."""


@dataclass(frozen=True)
class Machine:
    """Power and embodied carbon of a machine while it is on."""

    watts: Estimate
    embodied_g_per_h: Estimate

    def __mul__(self, factor: Estimate | float) -> Machine:
        return Machine(self.watts * factor, self.embodied_g_per_h * factor)

    def kwh(self, hours: Estimate | float) -> Estimate:
        """Return the IT energy in kWh of running for ``hours``."""
        return self.watts * hours / 1000


def lifetime_g_per_h(made: Estimate, facts: Facts) -> Estimate:
    """Return the grams of CO2e for each hour of the life of hardware whose making took ``made`` kg.

    All hardware has the same life, your instances as well as the servers of a shared service.
    """
    return made * facts("embodied/lifetime", "year").inverse() * (1000 / _HOURS_PER_YEAR)


def share(vcpus: float, memory_gib: float, facts: Facts, *, processor: str = "graviton") -> Machine:
    """Return a part of a server with ``graviton`` or ``x86`` processors."""
    return Machine(
        facts(f"power/vcpu/{processor}", "W") * vcpus + facts("power/memory", "W/GiB") * memory_gib,
        lifetime_g_per_h(
            facts("embodied/vcpu", "kgCO2e") * vcpus
            + facts("embodied/memory", "kgCO2e/GiB") * memory_gib,
            facts,
        ),
    )


def function(memory_mib: int, facts: Facts) -> Machine:
    """Return a running arm64 Lambda function: its part of a vCPU, and its memory."""
    vcpus = memory_mib / facts("power/lambda/mib_per_vcpu", "MiB").mid
    return share(vcpus, memory_mib / _MIB_PER_GIB, facts)


@dataclass(frozen=True)
class Shape:
    """Processors and memory of an instance type."""

    vcpus: int
    memory_gib: float
    processor: str


def instance(name: str, facts: Facts) -> Machine:
    """Return an instance without accelerators, such as ``m7g.large.search`` or ``db.t4g.medium``.

    Raises as `shape` does.
    """
    of = shape(name, facts)
    return share(of.vcpus, of.memory_gib, facts, processor=of.processor)


def shape(name: str, facts: Facts) -> Shape:
    """Return the shape of an instance without accelerators, by its name.

    Raises
    ------
    FactError
        If the memory per vCPU of its family has no row.
    UserError
        If ``name`` is not the name of an instance type.
    """
    bare = name.removesuffix(".search")
    for prefix in _SERVICE_PREFIXES:
        bare = bare.removeprefix(prefix)
    parts = _SHAPE.fullmatch(bare)
    if parts is None or (parts["size"] not in _VCPUS and parts["family"] != _BURSTABLE):
        raise UserError(f"{name}: not an instance type such as m7g.large")
    vcpus = _VCPUS.get(parts["size"], 0) * int(parts["times"] or 1)
    if parts["family"] == _BURSTABLE:
        vcpus = max(vcpus, _BURSTABLE_VCPUS_MIN)
        memory = facts(f"power/burstable/{parts['times']}{parts['size']}", "GiB").mid
    else:
        memory = facts(f"power/gib_per_vcpu/{parts['family']}", "GiB").mid * vcpus
    is_graviton = "g" in parts["options"] or parts["family"] in _GRAVITON_FAMILIES
    return Shape(vcpus, memory, "graviton" if is_graviton else "x86")


def search_unit(facts: Facts) -> Machine:
    """Return one OpenSearch Compute Unit (OCU)."""
    unit = share(facts("power/ocu/vcpu", "vCPU").mid, facts("power/ocu/memory", "GiB").mid, facts)
    disk = ssd(facts("power/ocu/disk", "TB").mid, facts)
    return Machine(unit.watts + disk.watts, unit.embodied_g_per_h + disk.embodied_g_per_h)


def ssd(terabytes: float, facts: Facts) -> Machine:
    """Return solid-state storage."""
    made = lifetime_g_per_h(facts("embodied/ssd", "kgCO2e/TB"), facts)
    return Machine(facts("power/ssd", "W/TB"), made) * terabytes


def hdd(terabytes: float, facts: Facts) -> Machine:
    """Return hard disk storage."""
    made = lifetime_g_per_h(facts("embodied/hdd", "kgCO2e/TB"), facts)
    return Machine(facts("power/hdd", "W/TB"), made) * terabytes


def managed_requests(count: float, facts: Facts) -> Estimate:
    """Return the IT energy in kWh of ``count`` requests to a managed API, queue or table."""
    seconds = facts("power/managed_request", "vCPU-s")
    return facts("power/vcpu/graviton", "W") * seconds * (count / 3_600_000)


@dataclass(frozen=True)
class Accelerated:
    """An instance with accelerators: idle, and with all accelerators busy."""

    idle: Machine
    busy: Machine

    @property
    def work_watts(self) -> Estimate:
        """Power that busy accelerators add to the idle instance."""
        return self.busy.watts.less(self.idle.watts)

    def at(self, utilization: float) -> Machine:
        """Return the instance with this share of its accelerators busy; the host always runs."""
        return Machine(
            self.idle.watts * (1 - utilization) + self.busy.watts * utilization,
            self.idle.embodied_g_per_h,
        )


def accelerated(instance_type: str, facts: Facts) -> Accelerated:
    """Return an instance type with accelerators, such as ``ml.inf2.xlarge``.

    Raises
    ------
    FactError
        If the power of the host, the number of accelerators or their power has no row.
    """
    name = instance_type.removeprefix("ml.")
    family = name.split(".")[0]
    host = facts(f"power/host/{name}", "W")
    devices = facts(f"power/accelerators/{name}", "devices").mid
    made = lifetime_g_per_h(facts(f"embodied/{name}", "kgCO2e"), facts)
    return Accelerated(
        idle=Machine(host + facts(f"power/idle/{family}", "W") * devices, made),
        busy=Machine(host + facts(f"power/busy/{family}", "W") * devices, made),
    )
