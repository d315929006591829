"""Every metric that the accelerator monitor sends: its name, its CloudWatch unit, where it is read.

Dashboards and alarms take names from here. A metric whose sources are missing from a report is left
out of it: absent is not zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeGuard

NAMESPACE = "SustainableGenerativeAI/Accelerator"
DIMENSIONS = ("Deployment", "Endpoint")

Values = dict[str, list[float]]
"""What was measured: by metric name, one value or one per core or device."""

Found = list[tuple[str, float]]
"""The values found for one source, each with the index or key of the element that held it."""

_LARGEST = 2**53  # above it, JSON numbers are no longer exact


def is_plausible(value: object) -> TypeGuard[float]:
    """Whether this is a number that can be a measurement: finite and not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= _LARGEST


def total(*sources: Found) -> list[float]:
    """Sum over all runtimes and devices."""
    return [sum(value for found in sources for _, value in found)]


def worst(found: Found) -> list[float]:
    """Return the highest, for percentiles: those of several runtimes cannot be added."""
    return [max(value for _, value in found)] if found else []


def each(found: Found) -> list[float]:
    """One value per core or device, summed over the runtimes that share it."""
    by_key: dict[str, float] = {}
    for key, value in found:
        by_key[key] = by_key.get(key, 0) + value
    return list(by_key.values())


def count(found: Found) -> list[float]:
    """How many different cores or devices there are."""
    return [len(each(found))]


def product(*sources: Found) -> list[float]:
    """Multiply, for so many devices of so much each."""
    return [math.prod(total(found)[0] for found in sources)]


def percent_of(part: Found, whole: Found) -> list[float]:
    """Return the part as a percentage of the whole."""
    (numerator,), (denominator,) = total(part), total(whole)
    return [100 * numerator / denominator] if denominator else []


class Metric(NamedTuple):
    """A metric, the fields it is read from and how they become its value.

    A Neuron source is a path in a neuron-monitor report, `*` standing for every element there.
    """

    name: str
    unit: str
    sources: tuple[str, ...]
    combine: Callable[..., list[float]] = total
    scale: float = 1

    def values(self, *sources: Found) -> list[float]:
        """Combine what was found into values in the metric's unit."""
        values = [value * self.scale for value in self.combine(*sources)]
        if self.unit == "Percent":
            values = [min(value, 100) for value in values]  # a period that jitters gives 100.1
        return [round(value, 3) for value in values]


_RUNTIME = "neuron_runtime_data.*.report."
_CORE = f"{_RUNTIME}neuroncore_counters.neuroncores_in_use.*.neuroncore_utilization"
_MEMORY = f"{_RUNTIME}memory_used.neuron_runtime_used_bytes."
_VCPU = f"{_RUNTIME}neuron_runtime_vcpu_usage.vcpu_usage."
_OUTCOME = f"{_RUNTIME}execution_stats.execution_summary."
_ERROR = f"{_RUNTIME}execution_stats.error_summary."
_LATENCY = f"{_RUNTIME}execution_stats.latency_stats.total_latency."
_SYSTEM_VCPU = "system_data.vcpu_usage.average_usage."
_SYSTEM_MEMORY = "system_data.memory_info."
_ECC = "system_data.neuron_hw_counters.neuron_devices.*."
_HARDWARE = "neuron_hardware_info."

NEURON = (
    # One value per core in use; of a core that no runtime holds, a report says nothing.
    Metric("NeuronCoreUtilization", "Percent", (_CORE,), each),
    Metric("NeuronCoresInUse", "Count", (_CORE,), count),
    Metric(
        "NeuronCoresProvisioned",
        "Count",
        (f"{_HARDWARE}neuron_device_count", f"{_HARDWARE}neuroncore_per_device_count"),
        product,
    ),
    Metric("NeuronDeviceMemoryUsed", "Bytes", (f"{_MEMORY}neuron_device",)),
    Metric(
        "NeuronDeviceMemoryProvisioned",
        "Bytes",
        (f"{_HARDWARE}neuron_device_count", f"{_HARDWARE}neuron_device_memory_size"),
        product,
    ),
    Metric("HostMemoryUsed", "Bytes", (f"{_MEMORY}host",)),
    # Of all vCPUs: a capture with one busy thread on four of them says 25.
    Metric("RuntimeVcpuUtilization", "Percent", (f"{_VCPU}user", f"{_VCPU}system")),
    Metric("SystemVcpuUtilization", "Percent", (f"{_SYSTEM_VCPU}user", f"{_SYSTEM_VCPU}system")),
    Metric(
        "SystemMemoryUtilization",
        "Percent",
        (f"{_SYSTEM_MEMORY}memory_used_bytes", f"{_SYSTEM_MEMORY}memory_total_bytes"),
        percent_of,
    ),
    Metric("ExecutionsCompleted", "Count", (f"{_OUTCOME}completed",)),
    Metric("ExecutionsCompletedWithError", "Count", (f"{_OUTCOME}completed_with_err",)),
    Metric(
        "ExecutionsCompletedWithNumericalError", "Count", (f"{_OUTCOME}completed_with_num_err",)
    ),
    Metric("ExecutionsTimedOut", "Count", (f"{_OUTCOME}timed_out",)),
    Metric("ExecutionsFailedToQueue", "Count", (f"{_OUTCOME}failed_to_queue",)),
    Metric("ExecutionsIncorrectInput", "Count", (f"{_OUTCOME}incorrect_input",)),
    Metric("ExecutionErrorsHardware", "Count", (f"{_ERROR}hardware",)),
    Metric("ExecutionErrorsModel", "Count", (f"{_ERROR}model",)),
    Metric("ExecutionErrorsNumerical", "Count", (f"{_ERROR}numerical",)),
    Metric("ExecutionErrorsRuntime", "Count", (f"{_ERROR}runtime",)),
    Metric("ExecutionErrorsTransient", "Count", (f"{_ERROR}transient",)),
    Metric("ExecutionErrorsGeneric", "Count", (f"{_ERROR}generic",)),
    Metric("ExecutionLatencyP50", "Milliseconds", (f"{_LATENCY}p50",), worst, scale=1000),
    Metric("ExecutionLatencyP99", "Milliseconds", (f"{_LATENCY}p99",), worst, scale=1000),
    Metric("ExecutionLatencyP100", "Milliseconds", (f"{_LATENCY}p100",), worst, scale=1000),
    Metric(
        "EccEventsCorrected", "Count", (f"{_ECC}mem_ecc_corrected", f"{_ECC}sram_ecc_corrected")
    ),
    Metric(
        "EccEventsUncorrected",
        "Count",
        (f"{_ECC}mem_ecc_uncorrected", f"{_ECC}sram_ecc_uncorrected"),
    ),
)

# Percent of a maximum that AWS does not publish, idle power left out: never watts.
POWER = Metric("PowerUtilization", "Percent", ("stats/power/utilization",), each)

# Sources are nvidia-smi query fields; the first three are what the practices name
# nvidia_smi.gpu_utilization, gpu_memory_utilization (the share of time in which memory was read or
# written) and gpu_performance_state (0 is the fastest). CloudWatch has no unit for state and watt.
NVIDIA = (
    Metric("GpuUtilization", "Percent", ("utilization.gpu",)),
    Metric("GpuMemoryUtilization", "Percent", ("utilization.memory",)),
    Metric("GpuPerformanceState", "None", ("pstate",)),
    Metric("GpuPowerWatts", "None", ("power.draw",)),
    Metric("GpuMemoryUsed", "Bytes", ("memory.used",), scale=2**20),
    Metric("GpuMemoryProvisioned", "Bytes", ("memory.total",), scale=2**20),
)

# Sent each time that the tool had to be started again, and as zeros with each report.
RESTARTS = Metric("MonitorRestarts", "Count", ("the monitor itself",))
# Whether by then it had given no report for three periods.
SILENT = Metric("MonitorSilent", "Count", ("the monitor itself",))

METRICS = {metric.name: metric for metric in (*NEURON, POWER, *NVIDIA, RESTARTS, SILENT)}
