from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from containers.neuron_vllm import emf
from containers.neuron_vllm.metrics import METRICS

SERIES = st.lists(st.floats(0, 2**53), min_size=1, max_size=300)


def test_a_line_names_its_metrics_and_carries_their_values() -> None:
    values: dict[str, list[float]] = {"NeuronCoreUtilization": [89.4, 0], "MonitorSilent": [0]}
    (line,) = emf.lines(values, namespace="N", dimensions={"D": "d"}, timestamp_ms=1)
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [
                {
                    "Namespace": "N",
                    "Dimensions": [["D"]],
                    "Metrics": [
                        {"Name": "NeuronCoreUtilization", "Unit": "Percent"},
                        {"Name": "MonitorSilent", "Unit": "Count"},
                    ],
                }
            ],
        },
        "D": "d",
        "NeuronCoreUtilization": [89.4, 0],
        "MonitorSilent": 0,
    }


def test_a_value_that_nobody_reads_is_a_field_of_the_line_and_no_metric() -> None:
    values: dict[str, list[float]] = {"NeuronCoreUtilization": [5], "HostMemoryUsed": [7]}

    def made(*sent: str) -> list[str]:
        (line,) = emf.lines(values, namespace="N", dimensions={"D": "d"}, timestamp_ms=1, sent=sent)
        written = json.loads(line)
        assert (written["NeuronCoreUtilization"], written["HostMemoryUsed"]) == (5, 7)
        directives = written["_aws"]["CloudWatchMetrics"]
        return [each["Name"] for directive in directives for each in directive["Metrics"]]

    assert made("NeuronCoreUtilization", "MonitorSilent") == ["NeuronCoreUtilization"]
    assert made("MonitorSilent") == []


@example(values={"NeuronCoreUtilization": [0] * 101}, dimension="more values than allowed")
@example(values={name: [0.001] * 100 for name in METRICS}, dimension="more bytes than allowed")
@given(
    values=st.dictionaries(st.sampled_from(sorted(METRICS)), SERIES),
    dimension=st.text(min_size=1, max_size=100),
)
def test_lines_keep_to_the_limits_and_lose_nothing(
    read_emf: Callable[[bytes], dict[str, list[float]]],
    values: dict[str, list[float]],
    dimension: str,
) -> None:
    written: dict[str, list[float]] = {}
    for line in emf.lines(values, namespace="N", dimensions={"D": dimension}, timestamp_ms=1):
        assert line.count(b"\n") == 1
        for name, series in read_emf(line).items():
            written.setdefault(name, []).extend(series)
    assert written == values
