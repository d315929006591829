"""Read what nvidia-smi says of one GPU: a line of comma-separated values a period."""

from __future__ import annotations

from .metrics import NVIDIA, Values, is_plausible

ARGUMENTS = (
    f"--query-gpu={','.join(metric.sources[0] for metric in NVIDIA)}",
    "--format=csv,noheader,nounits",
)


def measure(line: bytes) -> Values:
    """Measure what a line says; a field that the GPU does not support is left out."""
    fields = line.decode(errors="replace").split(",")
    if len(fields) != len(NVIDIA):
        return {}
    measured: Values = {}
    for metric, field in zip(NVIDIA, fields, strict=True):
        try:
            value = float(field.strip().removeprefix("P"))  # performance states are P0 to P15
        except ValueError:
            continue
        if is_plausible(value):
            measured[metric.name] = metric.values([("", value)])
    return measured
