from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containers.neuron_vllm.metrics import METRICS, NVIDIA
from containers.neuron_vllm.nvidia_report import ARGUMENTS, measure


def test_a_line_of_nvidia_smi() -> None:
    assert measure(b"87, 41, P0, 112.53, 18432, 23028") == {
        "GpuUtilization": [87],
        "GpuMemoryUtilization": [41],
        "GpuPerformanceState": [0],
        "GpuPowerWatts": [112.53],
        "GpuMemoryUsed": [18 * 2**30],
        "GpuMemoryProvisioned": [23028 * 2**20],
    }


def test_fields_are_asked_for_in_the_order_they_are_read() -> None:
    query = "utilization.gpu,utilization.memory,pstate,power.draw,memory.used,memory.total"
    assert f"--query-gpu={query}" in ARGUMENTS


def test_what_the_gpu_does_not_support_is_absent() -> None:
    values = measure(b"3, 0, P8, [N/A], 1, [Not Supported]")
    assert values.keys() == {
        "GpuUtilization",
        "GpuMemoryUtilization",
        "GpuPerformanceState",
        "GpuMemoryUsed",
    }


@pytest.mark.parametrize(
    "line", [b"", b"No devices were found", b"1, 2, P0", b"1, 2, P0, 3, 4, 5, 6"]
)
def test_no_other_line_is_taken_for_a_report(line: bytes) -> None:
    assert measure(line) == {}


FIELD = st.text("P0123456789.-e[]N/A ", max_size=8) | st.sampled_from(["nan", "inf", "1e999"])


@given(fields=st.lists(FIELD, min_size=len(NVIDIA), max_size=len(NVIDIA)))
def test_values_are_within_range(fields: list[str]) -> None:
    for name, (value,) in measure(",".join(fields).encode()).items():
        assert 0 <= value <= (100 if METRICS[name].unit == "Percent" else 2**80)
