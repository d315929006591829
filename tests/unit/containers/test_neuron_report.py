from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.neuron_vllm import emf
from containers.neuron_vllm.metrics import METRICS
from containers.neuron_vllm.neuron_report import measure

ReadEmf = Callable[[bytes], dict[str, list[float]]]
NOWHERE = Path("no-such-folder")

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.floats() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def measured(report: object) -> dict[str, list[float]]:
    return measure(json.dumps(report).encode(), devices=NOWHERE)


def parents(node: Any) -> Iterator[dict[str, Any] | list[Any]]:
    """Every object and array in a report."""
    if isinstance(node, (dict, list)):
        yield node
        for child in node.values() if isinstance(node, dict) else node:
            yield from parents(child)


def check(values: dict[str, list[float]]) -> None:
    for name, series in values.items():
        assert series
        for value in series:
            assert math.isfinite(value)
            assert value >= 0
            assert METRICS[name].unit != "Percent" or value <= 100


def test_a_real_report(sample: bytes) -> None:
    assert measure(sample, devices=NOWHERE) == {
        "NeuronCoreUtilization": [89.401, 0],
        "NeuronCoresInUse": [2],
        "NeuronCoresProvisioned": [2],
        "NeuronDeviceMemoryUsed": [141_649_980],
        "NeuronDeviceMemoryProvisioned": [32 * 2**30],
        "HostMemoryUsed": [1_166_249_984],
        "RuntimeVcpuUtilization": [25.37],
        "SystemVcpuUtilization": [25.75],
        "SystemMemoryUtilization": [26.472],
        "ExecutionsCompleted": [816],
        "ExecutionsCompletedWithError": [0],
        "ExecutionsCompletedWithNumericalError": [0],
        "ExecutionsTimedOut": [0],
        "ExecutionsFailedToQueue": [0],
        "ExecutionsIncorrectInput": [0],
        "ExecutionErrorsHardware": [0],
        "ExecutionErrorsModel": [0],
        "ExecutionErrorsNumerical": [0],
        "ExecutionErrorsRuntime": [0],
        "ExecutionErrorsTransient": [0],
        "ExecutionLatencyP50": [1.24],
        "ExecutionLatencyP99": [1.37],
        "ExecutionLatencyP100": [1.85],
        "EccEventsCorrected": [0],
        "EccEventsUncorrected": [0],
    }


def test_a_report_of_the_largest_instance_is_one_line(sample: bytes) -> None:
    report = json.loads(sample)
    counters = report["neuron_runtime_data"][0]["report"]["neuroncore_counters"]
    counters["neuroncores_in_use"] = {
        str(core): {"neuroncore_utilization": 90.12345 + core / 7} for core in range(24)
    }
    values = {**measured(report), "PowerUtilization": [18.86] * 12}
    dimensions = {"Deployment": "d" * 64, "Endpoint": "e" * 64}
    lines = emf.lines(values, namespace="n" * 64, dimensions=dimensions, timestamp_ms=10**12)
    assert len(list(lines)) == 1


def test_errors_are_told_apart_by_kind(sample: bytes) -> None:
    report = json.loads(sample)
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    kinds = ["hardware", "model", "numerical", "runtime", "transient", "generic"]
    stats["error_summary"] = {kind: number for number, kind in enumerate(kinds, start=1)}
    values = measured(report)
    assert {kind: values[f"ExecutionErrors{kind.title()}"][0] for kind in kinds} == (
        stats["error_summary"]
    )


def test_ecc_events_of_all_devices_and_memories_are_summed(sample: bytes) -> None:
    report = json.loads(sample)
    devices = report["system_data"]["neuron_hw_counters"]["neuron_devices"]
    devices[0].update(mem_ecc_corrected=1, sram_ecc_corrected=2, sram_ecc_uncorrected=4)
    devices.append({**devices[0], "neuron_device_index": 1, "mem_ecc_uncorrected": 8})
    values = measured(report)
    assert (values["EccEventsCorrected"], values["EccEventsUncorrected"]) == ([6], [16])


@given(runtimes=st.integers(1, 4))
def test_runtimes_are_summed(sample: bytes, runtimes: int) -> None:
    report = json.loads(sample)
    one = measured(report)
    report["neuron_runtime_data"] *= runtimes
    values = measured(report)
    assert values["NeuronCoreUtilization"] == [min(100, round(runtimes * 89.40087251, 3)), 0]
    assert values["NeuronCoresInUse"] == [2]
    for name in ("ExecutionsCompleted", "HostMemoryUsed", "NeuronDeviceMemoryUsed"):
        assert values[name] == [runtimes * one[name][0]]
    for name in ("ExecutionLatencyP99", "SystemMemoryUtilization", "NeuronCoresProvisioned"):
        assert values[name] == one[name]


@pytest.mark.parametrize("nothing", [[], None])
def test_without_a_runtime_nothing_is_used(sample: bytes, nothing: object) -> None:
    values = measured({**json.loads(sample), "neuron_runtime_data": nothing})
    assert values["NeuronCoresInUse"] == values["ExecutionsCompleted"] == [0]
    assert values["NeuronCoresProvisioned"] == [2]
    assert not values.keys() & {"NeuronCoreUtilization", "ExecutionLatencyP50"}


def test_an_idle_runtime_has_no_latency(sample: bytes) -> None:
    report = json.loads(sample)
    stats = report["neuron_runtime_data"][0]["report"]["execution_stats"]
    stats["latency_stats"] = {"total_latency": None, "device_latency": None}
    values = measured(report)
    assert "ExecutionLatencyP99" not in values
    assert values["ExecutionsCompleted"] == [816]


def test_what_could_not_be_read_is_absent_not_zero(sample: bytes) -> None:
    report = json.loads(sample)
    report["neuron_hardware_info"]["error"] = "the driver does not run"
    del report["system_data"]["vcpu_usage"]["average_usage"]["system"]
    values = measured(report)
    assert not values.keys() & {"NeuronCoresProvisioned", "SystemVcpuUtilization"}


def test_a_runtime_that_could_not_be_read_does_not_hide_the_other(sample: bytes) -> None:
    report = json.loads(sample)
    broken = copy.deepcopy(report["neuron_runtime_data"][0])
    report["neuron_runtime_data"].append({**broken, "error": "no access"})
    assert measured(report) == measure(sample, devices=NOWHERE)


@given(data=st.data())
def test_whatever_a_report_lacks_or_holds_a_valid_line_comes_out(
    sample: bytes, read_emf: ReadEmf, data: st.DataObject
) -> None:
    root = {"report": json.loads(sample)}
    for change in data.draw(st.lists(st.sampled_from(["add", "drop", "repeat", "replace"]))):
        parent: Any = data.draw(st.sampled_from(list(parents(root))))
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = data.draw(st.sampled_from(keys or [0]))
        if change == "add" and isinstance(parent, dict):
            parent[data.draw(st.text(max_size=5))] = data.draw(ANY_JSON)
        elif change == "repeat" and isinstance(parent, list) and parent:
            parent.append(copy.deepcopy(parent[key]))
        elif change == "replace" and keys:
            parent[key] = data.draw(ANY_JSON)
        elif change == "drop" and keys:
            del parent[key]
    values = measured(root.get("report"))
    check(values)
    for line in emf.lines(values, namespace="N", dimensions={"D": "d"}, timestamp_ms=1):
        read_emf(line)


@given(line=st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_no_other_line_is_taken_for_a_report(line: bytes) -> None:
    assert measure(line, devices=NOWHERE) == {}


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000])
def test_a_hostile_line_is_not_a_report(line: bytes) -> None:
    assert measure(line, devices=NOWHERE) == {}


@given(share=st.floats(0, 1, exclude_max=True))
def test_half_a_report_is_none(sample: bytes, share: float) -> None:
    assert measure(sample[: int(len(sample) * share)], devices=NOWHERE) == {}


def test_power_of_each_device_that_offers_it(sample: bytes, tmp_path: Path) -> None:
    for device, text in {
        "neuron0": "POWER_STATUS_VALID,1787000000,0.86,25.00,18.86\n",
        "neuron1": "POWER_STATUS_VALID,1787000000,0.00,2.06,0.56\n",
        "neuron2": "POWER_STATUS_NO_DATA,0,0.00,0.00,0.00\n",
        "neuron3": "POWER_STATUS_VALID,1787000000,0.00,2.06,nan\n",
        "neuron4": "unexpected\n",
    }.items():
        file = tmp_path / device / "stats" / "power" / "utilization"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert measure(sample, devices=tmp_path)["PowerUtilization"] == [18.86, 0.56]
    assert measure(b"no report", devices=tmp_path) == {}
    assert "PowerUtilization" not in measure(sample, devices=NOWHERE)
