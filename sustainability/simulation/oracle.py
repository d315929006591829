"""What somebody would do who knew the traffic beforehand: the bound that policies are held against.

The oracle has the same copies, the same cold start and the same queues. It only knows when to start
them. Its schedule is replayed like any other policy's, so that chance spares it nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from sustainability.capacity import Capacity
from sustainability.planning.week import without_dips
from sustainability.simulation.engine import Endpoint, Observation, replay
from sustainability.simulation.outcome import Outcome
from sustainability.traffic import Request, Traffic

_INTERVAL = 300.0
_SEARCH_STEPS = 7


def clairvoyant(
    traffic: Traffic, endpoint: Endpoint, capacity: Capacity, attainment: float
) -> Outcome:
    """Return the outcome of the leanest schedule that keeps ``attainment``, one copy always awake.

    As in a plan, every interval may have the same number of late answers; but it has copies for the
    work that really comes. How many answers may be late is searched for in replays.
    """
    rates = [copies * capacity.full_rate for copies in work(traffic.requests(), endpoint)]
    usual = sum(rates) / len(rates)
    most = 2 * math.ceil(max(rates) / capacity.full_rate) + 1

    def schedule(late: float) -> Outcome:
        copies = [
            capacity.copies_for(rate, 1 - min(0.9, late * usual / rate), most) or most
            if rate
            else 1
            for rate in rates
        ]
        return follow(traffic, endpoint, copies)

    return fullest(schedule, low=0.0, high=0.5, attainment=attainment)


def fullest(
    outcome: Callable[[float], Outcome], *, low: float, high: float, attainment: float
) -> Outcome:
    """Return the outcome at the highest parameter that keeps ``attainment``, found by bisection.

    Higher means fewer copies. It is the one at ``low`` if none keeps it.
    """
    best = outcome(low)
    for _ in range(_SEARCH_STEPS):
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
) -> Outcome:
    """Return the outcome of the schedule that takes least, where Bedrock answers the rest.

    ``awake_hour`` is what an idle instance takes in an hour, ``bedrock_answer`` what an answer of
    Bedrock takes beyond the work that it would be on the endpoint, in the same unit.
    """
    counts = [0] * (math.ceil(traffic.duration / _INTERVAL) + 1)
    for request in traffic.requests():
        counts[int(request.time // _INTERVAL)] += 1
    work_of_one = sum(work(traffic.requests(), endpoint)) / max(1, sum(counts))
    carried = 1 / work_of_one if work_of_one else math.inf
    hourly = awake_hour * _INTERVAL / 3600
    starting = awake_hour * endpoint.cold_start / 3600
    stopping = awake_hour * endpoint.release / 3600
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
            elsewhere = max(0.0, count - copies * carried) * bedrock_answer
            now.append(changes[before] + copies * hourly + elsewhere)
            origin.append(before)
        taken = now
        origins.append(origin)
    copies = taken.index(min(taken))
    plan = [copies]
    for origin in reversed(origins[1:]):
        copies = origin[copies]
        plan.append(copies)
    return follow(traffic, endpoint, plan[::-1])


def work(requests: Iterable[Request], endpoint: Endpoint) -> list[float]:
    """Return, for each interval, how many copies would be busy with what arrives in it."""
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
    """Replay with so many copies serving in each interval, started as much earlier as it takes."""
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
