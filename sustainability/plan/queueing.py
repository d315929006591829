"""Waiting times and delays of answers: the formulas for the number of copies.

The servers of the queue are the decode slots of all running copies. The lengths of answers have a
long tail, so service times are not exponential. The wait is that of Erlang's formula, scaled by the
variation of service times and arrivals (Allen and Cunneen). Bursts are described by their
peakedness (Hayward): traffic of peakedness z makes c servers as busy as smooth traffic makes c / z.
``tests/`` compares the formulas with exact results and with simulated queues.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)
_LARGEST_EXPONENT = 500
_HALVINGS = 9


def lognormal_sigma(mean: float, p95: float) -> float:
    """Return the shape of the lognormal distribution with this ``mean`` and 95th percentile.

    A lognormal distribution cannot have a p95 above 3.87 times its mean; then the closest is used.
    """
    return _P95 - math.sqrt(max(0.0, _P95**2 - 2 * math.log(p95 / mean)))


def lognormal_quantile(share: float, mean: float, p95: float) -> float:
    """Return the value below which ``share`` of the lognormal distribution is."""
    sigma = lognormal_sigma(mean, p95)
    return mean * math.exp(sigma * _NORMAL.inv_cdf(share) - sigma**2 / 2)


def erlang_c(servers: int, load: float) -> float:
    """Return the share of Poisson arrivals that find all ``servers`` busy.

    ``load`` is the mean number of busy servers: arrival rate times service time.
    """
    if load >= servers:
        return 1.0
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def share_waiting(servers: int, load: float, arrival_scv: float) -> float:
    """Return the share of arrivals that wait, for any variation of arrivals.

    ``arrival_scv`` is the squared coefficient of variation of the time between arrivals.
    """
    peakedness = max(1.0, (arrival_scv + 1) / 2)
    return erlang_c(max(1, int(servers / peakedness)), load / peakedness)


def mean_wait(
    servers: int, load: float, *, service_seconds: float, service_scv: float, arrival_scv: float
) -> float:
    """Return the mean wait in seconds of those arrivals that wait; infinite if overloaded."""
    if load >= servers:
        return math.inf
    return service_seconds / (servers - load) * (arrival_scv + service_scv) / 2


def share_later(limit: float, mean: float, variance: float) -> float:
    """Return the share of answers that end more than ``limit`` seconds after their start.

    Writing pauses while the copy reads other prompts. An answer ends when the time for writing
    first reaches its length. This is a first-passage time with an inverse Gaussian distribution.
    """
    if limit <= 0:
        return 1.0
    if not variance:
        return float(mean > limit)
    shape, spread = mean**2 / variance, math.sqrt(mean**3 / (variance * limit))
    near, far = spread * (limit / mean - 1), spread * (limit / mean + 1)
    if 2 * shape < _LARGEST_EXPONENT:
        returned = math.exp(2 * shape) * _beyond(far)
    else:
        returned = math.exp(2 * shape - far**2 / 2) / (far * math.sqrt(2 * math.pi))
    return max(0.0, _beyond(near) - returned)


def exponential_waits(mean: float) -> Iterator[tuple[float, float]]:
    """Yield waits that represent the exponential distribution, each with its share.

    Each is the median of a part: the first half, half of the rest, and so on.
    """
    for halving in range(_HALVINGS):
        share = 2.0 ** -min(halving + 1, _HALVINGS - 1)
        yield mean * (halving * math.log(2) + math.log(4 / 3)), share


def _beyond(deviations: float) -> float:
    """Return the share of the normal distribution above its mean plus ``deviations``."""
    return math.erfc(deviations / math.sqrt(2)) / 2
