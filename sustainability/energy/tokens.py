"""Energy and embodied carbon of tokens of a shared service, before PUE.

Output tokens follow EcoLogits 0.11.3 (``impacts/llm.py``): the GPU energy per token comes from a
regression on measured models; a part of a server is added for the time of generation; both are
divided by the requests in a batch. Input tokens follow the formula of Epoch AI, two floating-point
operations per active parameter, because EcoLogits does not count them. The formulas are copied here
because an import of the package needs half a second, more than all other steps of a footprint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

_SECONDS_PER_HOUR = 3600
_SECONDS_PER_YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class TokenFootprint:
    """The footprint of 1,000 tokens of one model. Energy in Wh of IT equipment, before PUE."""

    wh_per_1k_input: Estimate
    wh_per_1k_output: Estimate
    embodied_g_per_1k_output: Estimate
    """Grams of CO2e from making the hardware, in proportion to the time of use."""


@dataclass(frozen=True)
class _Deployed:
    """A model on its hardware, at one end of the range."""

    active: float
    total: float
    batch: float
    facts: Facts

    def _number(self, name: str, unit: str) -> float:
        return self.facts(f"llm/{name}", unit).mid

    @property
    def seconds_per_token(self) -> float:
        return (
            self._number("latency_alpha", "s/token/billion parameters") * self.active
            + self._number("latency_beta", "s/token/request") * self.batch
            + self._number("latency_gamma", "s/token")
        )

    @property
    def gpus(self) -> int:
        needed = (
            self._number("memory_overhead", "ratio")
            * self.total
            * self._number("bytes_per_parameter", "byte")
            / self._number("gpu_memory", "GB")
        )
        return int(2 ** math.ceil(math.log2(math.ceil(needed))))

    @property
    def server_share(self) -> float:
        return self.gpus / self._number("server_gpus", "GPU")

    def wh_per_token(self, gpu_scale: float, reserve: float) -> float:
        gpu = self._number("gpu_energy_alpha", "Wh/token/billion parameters") * math.exp(
            -self._number("gpu_energy_beta", "1/request") * self.batch
        ) * self.active + self._number("gpu_energy_gamma", "Wh/token")
        server = (
            self.seconds_per_token
            / _SECONDS_PER_HOUR
            * self._number("server_power", "W")
            * self.server_share
            / self.batch
        )
        return (self.gpus * gpu * gpu_scale + server) * reserve

    @property
    def embodied_g_per_token(self) -> float:
        kilograms = self.server_share * self._number("server_embodied", "kgCO2e") + (
            self.gpus * self._number("gpu_embodied", "kgCO2e")
        )
        lifetime = self._number("lifetime", "year") * _SECONDS_PER_YEAR
        return kilograms * 1000 * self.seconds_per_token / (lifetime * self.batch)


def generation(model: str, facts: Facts) -> TokenFootprint:
    """Return the footprint of 1,000 tokens of a generating ``model``.

    Raises
    ------
    FactError
        If the model has no parameter counts in ``models.csv``.
    """
    active = facts(f"models/{model}/active", "billion parameters")
    total = facts(f"models/{model}/total", "billion parameters")
    batch = facts("llm/batch", "requests")
    scale = facts("llm/gpu_energy_scale", "ratio")
    reserve = facts("llm/idle_reserve", "ratio")
    low = _Deployed(active.low, total.low, batch.high, facts)
    mid = _Deployed(active.mid, total.mid, batch.mid, facts)
    high = _Deployed(active.high, total.high, batch.low, facts)
    return TokenFootprint(
        wh_per_1k_input=prefill(model, facts),
        wh_per_1k_output=1000
        * Estimate(
            low.wh_per_token(scale.low, reserve.low),
            mid.wh_per_token(scale.mid, reserve.mid),
            high.wh_per_token(scale.high, reserve.high),
        ),
        embodied_g_per_1k_output=1000
        * Estimate(low.embodied_g_per_token, mid.embodied_g_per_token, high.embodied_g_per_token),
    )


def prefill(model: str, facts: Facts) -> Estimate:
    """Return the Wh of reading 1,000 tokens. For an embedding model, this is its whole energy."""
    active = facts(f"models/{model}/active", "billion parameters")
    utilization = facts("llm/prefill_utilization", "share")
    power = facts("llm/prefill_power", "W")
    peak = facts("llm/prefill_peak", "FLOP/s").mid

    def wh(parameters: float, used: float, watts: float) -> float:
        return 1000 * 2 * parameters * 1e9 / (peak * used) * watts / _SECONDS_PER_HOUR

    return Estimate(
        wh(active.low, utilization.high, power.low),
        wh(active.mid, utilization.mid, power.mid),
        wh(active.high, utilization.low, power.high),
    )
