"""How long answers wait and are held up: the formulas behind the number of copies.

The servers are the decode slots of all awake copies. Answers are heavy-tailed in length, so service
times are far from exponential: the wait is that of Erlang's formula, scaled by the variation of
services and arrivals (Allen and Cunneen). Bursts are counted by their peakedness (Hayward): traffic
of peakedness z keeps c servers as busy as smooth traffic keeps c / z. ``tests/`` holds all of it
against exact results and against simulated queues.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
_P95 = _NORMAL.inv_cdf(0.95)


def lognormal_sigma(mean: float, p95: float) -> float:
    """Return the shape of the lognormal distribution with this ``mean`` and 95th percentile.

    No lognormal has a p95 above 3.87 times its mean; the one that comes closest is taken.
    """
    return _P95 - math.sqrt(max(0.0, _P95**2 - 2 * math.log(p95 / mean)))


def lognormal_quantile(share: float, mean: float, p95: float) -> float:
    """Return the value that ``share`` of the lognormal distribution stays below."""
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
    """Return the share of arrivals that wait, for arrivals of any variation.

    ``arrival_scv`` is the squared coefficient of variation of the time between arrivals.
    """
    peakedness = max(1.0, (arrival_scv + 1) / 2)
    return erlang_c(max(1, int(servers / peakedness)), load / peakedness)


def mean_wait(
    servers: int, load: float, *, service_seconds: float, service_scv: float, arrival_scv: float
) -> float:
    """Return the mean wait of those arrivals that wait, in seconds; infinite when overloaded."""
    if load >= servers:
        return math.inf
    return service_seconds / (servers - load) * (arrival_scv + service_scv) / 2


def share_delayed_beyond(
    slack: float, *, share_waiting: float, mean_wait: float, stall: float, stall_deviation: float
) -> float:
    """Return the share of answers that are held up for longer than ``slack`` seconds.

    Two things hold an answer up. It waits for a slot: with probability ``share_waiting``, and then
    exponentially with ``mean_wait``. And it stalls while the prompts of others are read: about
    normal, with mean ``stall`` and ``stall_deviation``. With a slack no larger than the mean stall,
    all count as late.
    """
    room = slack - stall
    if room <= 0 or math.isinf(mean_wait):
        return 1.0
    if not stall_deviation:
        return share_waiting * (math.exp(-room / mean_wait) if mean_wait else 0.0)
    stalled = _NORMAL.cdf(-room / stall_deviation)
    if not mean_wait:
        return stalled
    exponent = -room / mean_wait + (stall_deviation / mean_wait) ** 2 / 2
    both = _NORMAL.cdf(room / stall_deviation - stall_deviation / mean_wait)
    return stalled + share_waiting * (math.exp(exponent) * both if both else 0.0)
