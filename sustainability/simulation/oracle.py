"""The oracle: a schedule that knows the traffic in advance, as a lower bound for all policies.

The oracle has the same copies, the same cold start and the same queues. Its only advantage is that
it knows when to start copies. Its schedule is simulated like that of any other policy, with the
same random traffic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from sustainability.plan.capacity import Capacity
from sustainability.plan.week import without_dips
from sustainability.simulation.engine import Endpoint, Observation, replay
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.traffic import Request, Traffic

_INTERVAL = 300.0
_LEAST_FULL = 0.3
"""The lowest load of a copy in the search, as a share of its full rate."""


def clairvoyant(
    traffic: Traffic, endpoint: Endpoint, capacity: Capacity, attainment: float
) -> Outcome:
    """Return the outcome of the smallest schedule with ``attainment``; one copy always runs.

    As in a plan, a copy runs if it saves enough late answers, but here of the real traffic. The
    threshold is found by repeated simulation.
    """
    rates = [copies * capacity.full_rate for copies in work(traffic.requests(), endpoint)]
    most = 2 * math.ceil(max(rates) / capacity.full_rate) + 1

    def late(rate: float) -> list[float]:
        return [rate * capacity.late_share(copies, rate) for copies in range(1, most + 1)]

    lates = {rate: late(rate) for rate in rates}

    def schedule(exponent: float) -> Outcome:
        price = 10**exponent
        copies = [
            1 + min(range(most), key=lambda more: lates[rate][more] + price * more)
            for rate in rates
        ]
        return follow(traffic, endpoint, copies)

    return fullest(schedule, low=-4.0, high=1.0, attainment=attainment)


def fullest(
    outcome: Callable[[float], Outcome],
    *,
    low: float,
    high: float,
    attainment: float,
    steps: int = 7,
) -> Outcome:
    """Return the outcome at the highest parameter with ``attainment``, found by bisection.

    A higher parameter means fewer copies. If none meets ``attainment``, it is the one at ``low``.
    """
    best = outcome(low)
    for _ in range(steps):
        middle = (low + high) / 2
        found = outcome(middle)
        if found.attainment >= attainment:
            low, best = middle, found
        else:
            high = middle
    return best


def choosing(
    traffic: Traffic,
    endpoint: Endpoint,
    *,
    most: int,
    awake_hour: float,
    bedrock_answer: float,
    attainment: float,
) -> Outcome:
    """Return the outcome of the schedule with the lowest footprint; Bedrock answers the rest.

    ``awake_hour`` is the footprint of an idle instance-hour, ``bedrock_answer`` that of an answer
    on Bedrock minus the work of the same answer on the endpoint, in the same unit. The highest load
    of a copy with ``attainment`` is found by repeated simulation.
    """
    counts = [0] * (math.ceil(traffic.duration / _INTERVAL) + 1)
    for request in traffic.requests():
        counts[int(request.time // _INTERVAL)] += 1
    work_of_one = sum(work(traffic.requests(), endpoint)) / max(1, sum(counts))

    def schedule(fullness: float) -> Outcome:
        copies = _cheapest(
            counts,
            most=most,
            carried=fullness / work_of_one if work_of_one else math.inf,
            hourly=awake_hour * _INTERVAL / 3600,
            starting=awake_hour * endpoint.cold_start / 3600,
            stopping=awake_hour * endpoint.release / 3600,
            elsewhere=bedrock_answer,
        )
        return follow(traffic, endpoint, copies)

    return fullest(schedule, low=_LEAST_FULL, high=1.0, attainment=attainment, steps=4)


def _cheapest(
    counts: Sequence[int],
    *,
    most: int,
    carried: float,
    hourly: float,
    starting: float,
    stopping: float,
    elsewhere: float,
) -> list[int]:
    """Return the copies of each interval with the lowest total footprint, as a shortest path."""
    taken = [0.0] + [math.inf] * most
    origins: list[list[int]] = []
    for count in counts:
        now, origin = [], []
        for copies in range(most + 1):
            changes = [
                taken[before]
                + max(0, copies - before) * starting
                + max(0, before - copies) * stopping
                for before in range(most + 1)
            ]
            before = changes.index(min(changes))
            overflow = max(0.0, count - copies * carried)
            now.append(changes[before] + copies * hourly + overflow * elsewhere)
            origin.append(before)
        taken = now
        origins.append(origin)
    copies = taken.index(min(taken))
    found = [copies]
    for origin in reversed(origins[1:]):
        copies = origin[copies]
        found.append(copies)
    return found[::-1]


def work(requests: Iterable[Request], endpoint: Endpoint) -> list[float]:
    """Return for each interval how many copies its questions keep busy."""
    found: list[float] = []
    for request in requests:
        number = int(request.time // _INTERVAL)
        found.extend([0.0] * (number + 1 - len(found)))
        found[number] += (
            request.input_tokens * endpoint.prefill_per_token
            + request.output_tokens * endpoint.decode_per_token / endpoint.slots
        ) / _INTERVAL
    return found


def follow(traffic: Traffic, endpoint: Endpoint, copies: Sequence[int]) -> Outcome:
    """Simulate with these copies in each interval; each copy starts one cold start early."""
    restart = int((endpoint.cold_start + endpoint.release) / _INTERVAL)
    kept = without_dips(copies, restart, cyclic=False)

    def at(time: float) -> int:
        return kept[min(len(kept) - 1, max(0, int(time // _INTERVAL)))]

    def scaler(seen: Observation) -> int:
        lead = endpoint.cold_start
        between = range(int(seen.time // _INTERVAL), int((seen.time + lead) // _INTERVAL) + 1)
        return max(at(number * _INTERVAL) for number in between)

    return replay(
        traffic.requests(), endpoint.starting_with(at(0.0)), scaler, duration=traffic.duration
    )
