from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from containers.neuron_vllm import metrics

FOLDER = Path(metrics.__file__).parent


def test_every_metric_has_a_name_of_its_own() -> None:
    count = len(metrics.NEURON) + len(metrics.NVIDIA) + len([metrics.POWER, "restarts", "silent"])
    assert len(metrics.METRICS) == count


@pytest.mark.parametrize("field", ["neuroncore_utilization", "memory_info", "vcpu_usage"])
def test_the_practices_metrics_are_sources(field: str) -> None:
    sources = [source for metric in metrics.NEURON for source in metric.sources]
    assert any(field in source.split(".") for source in sources)


def test_neuron_monitor_is_asked_for_every_group_that_is_read() -> None:
    config = json.loads((FOLDER / "neuron-monitor.json").read_text())
    asked = {
        "neuron_runtime_data": {m["type"] for m in config["neuron_runtimes"][0]["metrics"]},
        "system_data": {m["type"] for m in config["system_metrics"]},
    }
    for metric in metrics.NEURON:
        for source in metric.sources:
            section, *path = source.removeprefix("neuron_runtime_data.*.report.").split(".")
            if source.startswith("neuron_runtime_data"):
                assert section in asked["neuron_runtime_data"]
            elif section == "system_data":
                assert path[0] in asked["system_data"]
            else:
                assert section == "neuron_hardware_info"  # in every report, unasked


@pytest.mark.parametrize("module", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_images_python_reads_every_module(module: Path) -> None:
    ast.parse(module.read_text(), feature_version=(3, 10))
