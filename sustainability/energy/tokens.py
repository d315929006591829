"""Energy and embodied carbon of tokens of a shared service, before PUE.

Writing: the GPU energy and the GPU time of a token are linear in what a decoding step does: compute
for each active parameter, read the weights that the batch needs once, start the step, and keep each
GPU of the model busy. The coefficients are fitted to the 515 points of the ML.ENERGY Benchmark v3.0
(24 models, H100 and B200, batches of 8 to 4,096); ``docs/calibration.md`` shows the fit and its
error. A part of the server is added for the GPU time.

Reading: two floating-point operations for each active parameter, at a part of the peak speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sustainability.energy import power
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_SECONDS_PER_HOUR = 3600
UNITS = {"gpu_energy": "J", "gpu_time": "s"}
"""Of what is fitted."""


@dataclass(frozen=True)
class TokenFootprint:
    """The footprint of 1,000 tokens of one model. Energy in Wh of IT equipment, before PUE."""

    wh_per_1k_input: Estimate
    wh_per_1k_output: Estimate
    embodied_g_per_1k_input: Estimate
    embodied_g_per_1k_output: Estimate
    """Grams of CO2e from making the hardware, in proportion to the time of use."""


@dataclass(frozen=True)
class Step:
    """A decoding step: what one token of each of ``batch`` requests needs together.

    Parameters
    ----------
    active, total
        Parameters in billions: those that compute a token, and all that are stored.
    bytes_per_parameter
        Bytes of a stored parameter: 2 for 16 bits, 1.6 for FP8 as measured, 0.55 for MXFP4.
    batch
        Requests that are decoded together.
    gpus
        GPUs that the model is spread over.
    """

    active: float
    total: float
    bytes_per_parameter: float
    batch: float
    gpus: int

    @property
    def gigabytes(self) -> float:
        """The weights that the step reads.

        Of a mixture of experts, a larger batch needs more of the experts; tokens choose them
        independently of each other here.
        """
        unused = (1 - self.active / self.total) ** self.batch if self.total > self.active else 0.0
        return self.bytes_per_parameter * (self.total - (self.total - self.active) * unused)

    def per_token(self, coefficients: Coefficients) -> float:
        """Return what one token uses, by the middle values of the fit."""
        compute, weights, start, gpu = coefficients
        return (
            compute * self.active
            + (weights * self.gigabytes + start) / self.batch
            + gpu * self.gpus
        )


Coefficients = tuple[float, float, float, float]
"""Of the terms compute, weights, step and gpu of a fit, in J or s."""


def coefficients(quantity: str, facts: Facts) -> Coefficients:
    """Return the coefficients of ``gpu_energy`` in J, or ``gpu_time`` in s, of a token."""
    unit = UNITS[quantity]

    def fitted(name: str, per: str) -> float:
        return facts(f"llm/{quantity}/{name}", f"{unit}/{per}").mid

    return (
        fitted("compute", "token/billion parameters"),
        fitted("weights", "GB"),
        fitted("step", "step"),
        fitted("gpu", "token/GPU"),
    )


def gpu_room(facts: Facts) -> float:
    """Return how many GB of weights one GPU has room for."""
    return facts("llm/gpu_memory", "GB").mid / facts("llm/memory_overhead", "ratio").mid


def gpus(gigabytes: float, room: float) -> int:
    """Return how many GPUs with ``room`` hold weights of ``gigabytes``: a power of two."""
    return int(2 ** math.ceil(math.log2(max(1, math.ceil(gigabytes / room)))))


def generation(model: str, facts: Facts) -> TokenFootprint:
    """Return the footprint of 1,000 tokens of a generating ``model``.

    Raises
    ------
    FactError
        If the model has no parameter counts in ``models.csv``.
    """
    active = facts(f"models/{model}/active", "billion parameters")
    total = facts(f"models/{model}/total", "billion parameters")
    precision = _bytes(model, facts)
    batch = facts("llm/batch", "requests")

    room = gpu_room(facts)

    def written(quantity: str) -> Estimate:
        terms = coefficients(quantity, facts)

        def token(active: float, total: float, batch: float) -> float:
            total = max(active, total)
            step = Step(active, total, precision, batch, gpus(total * precision, room))
            return step.per_token(terms)

        return (
            Estimate.combine(token, active, total, batch)
            * facts(f"llm/{quantity}/fit", "ratio")
            * facts(f"llm/{quantity}/hardware", "ratio")
        )

    seconds = written("gpu_time")
    joules = written("gpu_energy") + seconds * _host_watts(facts)
    reserve = facts("llm/idle_reserve", "ratio")
    return TokenFootprint(
        wh_per_1k_input=prefill(model, facts),
        wh_per_1k_output=joules * reserve * (1000 / _SECONDS_PER_HOUR),
        embodied_g_per_1k_input=embodied_of_reading(model, facts),
        embodied_g_per_1k_output=seconds * _embodied_g_per_gpu_second(facts) * 1000,
    )


def prefill(model: str, facts: Facts) -> Estimate:
    """Return the Wh of reading 1,000 tokens. For an embedding model, this is its whole energy."""
    seconds = _reading_seconds(model, facts)
    watts = facts("llm/prefill_power", "W") + _host_watts(facts)
    reserve = facts("llm/idle_reserve", "ratio")
    return seconds * watts * reserve * (1000 / _SECONDS_PER_HOUR)


def embodied_of_reading(model: str, facts: Facts) -> Estimate:
    """Return the grams of CO2e from making the hardware, for reading 1,000 tokens."""
    return _reading_seconds(model, facts) * _embodied_g_per_gpu_second(facts) * 1000


def _reading_seconds(model: str, facts: Facts) -> Estimate:
    """Return the GPU time of reading one token."""
    active = facts(f"models/{model}/active", "billion parameters")
    utilization = facts("llm/prefill_utilization", "share")
    peak = facts("llm/prefill_peak", "FLOP/s").mid
    return active * (2e9 / peak) * utilization.inverse()


def _bytes(model: str, facts: Facts) -> float:
    own = f"models/{model}/bytes"
    return facts(own if facts.has(own) else "llm/bytes_per_parameter", "byte").mid


def _host_watts(facts: Facts) -> Estimate:
    """Return the power of a server without its GPUs, for each of them."""
    return facts("llm/server_power", "W") / facts("llm/server_gpus", "GPU").mid


def _embodied_g_per_gpu_second(facts: Facts) -> Estimate:
    """Return the embodied carbon of a server for each second in which one of its GPUs works."""
    server = power.lifetime_g_per_h(facts("embodied/gpu_server", "kgCO2e"), facts)
    utilization = facts("llm/server_utilization", "share")
    count = facts("llm/server_gpus", "GPU").mid
    return server * utilization.inverse() / (count * _SECONDS_PER_HOUR)
