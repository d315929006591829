"""The oracle: the least that meets the service level, if all questions were known in advance.

The oracle has the same copies, cold starts, queues and random traffic as every other policy. Its
only advantage is that it knows when to start copies. It searches all schedules of a number of
instances for each five minutes, from none up to the smallest fleet that needs no schedule:

1. Each fleet of a constant size is simulated once, and its late answers and its answers from
   Bedrock are counted by five minutes.
2. With these counts, the schedule with the least use is a shortest path, if a late answer has a
   price. The lowest price with which the level holds is found by repeated simulation.
3. Schedules close to the best one are simulated, until none is better.

Constant fleets, and Bedrock alone, are schedules as well: the oracle never uses more than they do.
``tests/`` compares it with the best of all schedules, for traffic so short that all can be tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sustainability.simulation.engine import Endpoint, Observation, replay
from sustainability.simulation.outcome import Outcome
from sustainability.simulation.traffic import Request, Traffic

INTERVAL_S = 300.0
"""The number of instances of a schedule changes at most every five minutes."""
_DEAREST, _CHEAPEST = 1.0, -5.0
"""The range of the price of a late answer: powers of ten of instance-hours."""
_BISECTIONS = 6
_EFFORT = 400_000
"""Questions that the last step may simulate: all its ideas for an hour, a few for a week."""


@dataclass(frozen=True)
class Prices:
    """What a fleet uses, in one unit: instance-hours, kWh, gCO2e or USD."""

    instance_hour: float
    """A running instance without work, for an hour."""
    bedrock_answer: float
    """An answer on Bedrock, minus the work of the same answer on the endpoint."""
    of: Callable[[Outcome], float]
    """What a whole simulation uses."""


def clairvoyant(
    traffic: Traffic, endpoint: Endpoint, *, attainment: float, prices: Prices
) -> Outcome | None:
    """Return the outcome of the schedule with the least use that meets ``attainment``.

    Without Bedrock, one copy always runs, as in every plan. None if no fleet has ``attainment``,
    however large it is.
    """
    search = _Search(traffic, endpoint, attainment, prices)
    static = search.smallest_fleet()
    if static is None:
        return None
    search.shortest_path(most=static)
    search.refine()
    return search.outcome


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


def work(requests: Iterable[Request], endpoint: Endpoint) -> list[float]:
    """Return for each interval how many copies its questions keep busy."""
    found: list[float] = []
    for request in requests:
        number = int(request.time // INTERVAL_S)
        found.extend([0.0] * (number + 1 - len(found)))
        found[number] += (
            request.input_tokens * endpoint.prefill_per_token
            + request.output_tokens * endpoint.decode_per_token / endpoint.slots
        ) / INTERVAL_S
    return found


def follow(traffic: Traffic, endpoint: Endpoint, instances: Sequence[int]) -> Outcome:
    """Simulate with these instances in each interval; each starts one cold start early."""
    lead, copies = endpoint.cold_start, endpoint.copies_per_instance

    def scaler(seen: Observation) -> int:
        first, last = int(seen.time // INTERVAL_S), int((seen.time + lead) // INTERVAL_S)
        return copies * max(instances[first : last + 1], default=instances[-1])

    return replay(
        traffic.requests(),
        endpoint.starting_with(copies * instances[0]),
        scaler,
        duration=traffic.duration,
    )


class _Search:
    """The search for the schedule with the least use, and the best one so far."""

    def __init__(
        self, traffic: Traffic, endpoint: Endpoint, attainment: float, prices: Prices
    ) -> None:
        self._traffic, self._endpoint = traffic, endpoint
        self._attainment, self._prices = attainment, prices
        self._floor = 0 if endpoint.bedrock else 1
        self._load = work(traffic.requests(), endpoint)
        intervals = max(1, len(self._load), math.ceil(traffic.duration / INTERVAL_S))
        self._load += [0.0] * (intervals - len(self._load))
        self._asked = [0] * intervals
        for request in traffic.requests():
            self._asked[int(request.time // INTERVAL_S)] += 1
        self._tried: dict[tuple[int, ...], bool] = {}
        self.instances: list[int] = []
        self.outcome: Outcome | None = None

    def smallest_fleet(self) -> int | None:
        """Return the fewest constant instances with the level; None if no number has it.

        0 if only Bedrock alone has it.
        """
        if self._floor == 0:
            self._holds([0] * len(self._load))
        if not self._reachable():
            return None if self.outcome is None else 0
        fewest, enough = 0, 1
        while not self._holds([enough] * len(self._load)):
            if enough > sum(self._asked):  # more copies than questions change nothing
                return None if self.outcome is None else 0
            fewest, enough = enough, 2 * enough
        while enough - fewest > 1:
            middle = (fewest + enough) // 2
            if self._holds([middle] * len(self._load)):
                enough = middle
            else:
                fewest = middle
        return enough

    def shortest_path(self, *, most: int) -> None:
        """Try the shortest paths for several prices of a late answer."""
        levels = range(self._floor, most + 2)
        counts = [self._counts(level) for level in levels]
        low, high = _CHEAPEST, _DEAREST
        for exponent in (low, high):
            self._holds(self._path(levels, counts, 10**exponent))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if self._holds(self._path(levels, counts, 10**middle)):
                high = middle
            else:
                low = middle

    def refine(self) -> None:
        """Try schedules close to the best one, until none is better or the effort is too high."""
        effort, best = _EFFORT, [-1]
        while best is not self.instances:
            best = self.instances
            for idea in _ideas(best, self._floor):
                if tuple(idea) in self._tried:
                    continue
                effort -= max(1, sum(self._asked))
                if effort < 0:
                    return
                self._holds(idea)
                if best is not self.instances:
                    break

    def _reachable(self) -> bool:
        """Return whether the level would hold if every question had a copy of its own."""
        asked = late = 0
        for request in self._traffic.requests():
            asked += 1
            alone = (
                request.input_tokens * self._endpoint.prefill_per_token
                + request.output_tokens * self._endpoint.decode_per_token
            )
            late += (
                request.input_tokens > self._endpoint.longest_prompt
                or alone > self._endpoint.patience
                or not self._endpoint.in_time(alone, alone)
            )
        return late <= (1 - self._attainment) * asked

    def _holds(self, instances: list[int]) -> bool:
        """Simulate a schedule, keep it if it is the best so far, and return if it holds."""
        key = tuple(instances)
        if key not in self._tried:
            self._tried[key] = self._holds_first(instances)
        return self._tried[key]

    def _holds_first(self, instances: list[int]) -> bool:
        found = follow(self._traffic, self._endpoint, instances)
        if found.attainment < self._attainment:
            return False
        if self.outcome is None or self._prices.of(found) < self._prices.of(self.outcome):
            self.instances, self.outcome = instances, found
        return True

    def _counts(self, instances: int) -> tuple[list[int], list[int]]:
        """Return the late answers, and those from Bedrock, of each interval with a constant fleet.

        Intervals with more work than the fleet can do are left out, so that their queue is not
        there in the next ones: all their answers count as late.
        """
        copies = instances * self._endpoint.copies_per_instance
        carried = [load <= copies for load in self._load]
        late = [0 if fits else asked for fits, asked in zip(carried, self._asked, strict=True)]
        elsewhere = list(late)

        def requests() -> Iterator[Request]:
            return (
                request
                for request in self._traffic.requests()
                if carried[int(request.time // INTERVAL_S)]
            )

        def watch(arrival: float, in_time: bool, by_bedrock: bool) -> None:
            number = int(arrival // INTERVAL_S)
            late[number] += not in_time
            elsewhere[number] += by_bedrock

        if copies:
            endpoint = self._endpoint.starting_with(copies)
            replay(requests(), endpoint, lambda _: copies, watch=watch)
        elif self._endpoint.bedrock:
            replay(self._traffic.requests(), self._endpoint, lambda _: 0, watch=watch)
            late = [all_ - asked for all_, asked in zip(late, self._asked, strict=True)]
        return late, elsewhere

    def _path(
        self, levels: Sequence[int], counts: Sequence[tuple[list[int], list[int]]], late: float
    ) -> list[int]:
        """Return the instances of each interval with the least use, if a late answer is ``late``.

        ``late`` is in instance-hours. Each start is billed for the cold start, and each stop for
        the release.
        """
        hour = self._prices.instance_hour
        start = hour * self._endpoint.cold_start / 3600
        stop = hour * self._endpoint.release / 3600
        taken = [0.0] * len(levels)
        origins: list[list[int]] = []
        for number in range(len(self._load)):
            reached, origin = _changed(taken, start, stop)
            origins.append(origin)
            taken = [
                reached[index]
                + level * hour * INTERVAL_S / 3600
                + late * hour * counts[index][0][number]
                + self._prices.bedrock_answer * counts[index][1][number]
                for index, level in enumerate(levels)
            ]
        index = taken.index(min(taken))
        found = [levels[index]]
        for origin in reversed(origins[1:]):
            index = origin[index]
            found.append(levels[index])
        return found[::-1]


def _changed(taken: Sequence[float], start: float, stop: float) -> tuple[list[float], list[int]]:
    """Return the least use of each number of instances, and the number before it."""
    count = len(taken)
    reached, origin = list(taken), list(range(count))
    for index in range(1, count):
        if reached[index - 1] + start < reached[index]:
            reached[index], origin[index] = reached[index - 1] + start, origin[index - 1]
    for index in range(count - 2, -1, -1):
        if reached[index + 1] + stop < reached[index]:
            reached[index], origin[index] = reached[index + 1] + stop, origin[index + 1]
    return reached, origin


def _ideas(instances: Sequence[int], floor: int) -> Iterator[list[int]]:
    """Yield schedules close to this one: first smaller ones, the largest changes first.

    They have one instance less in a run of equal numbers, or in its first or last intervals. Then
    come those that also have one more elsewhere.
    """
    smaller = [
        idea for part in _parts(instances) if min(idea := _with(instances, part, -1)) >= floor
    ]
    yield from smaller
    for part in _parts(instances):
        yield _with(instances, part, 1)
    for part in reversed(_parts(instances)):
        for idea in smaller:
            yield _with(idea, part, 1)


def _with(instances: Sequence[int], part: tuple[int, int], more: int) -> list[int]:
    return [level + more * (part[0] <= number < part[1]) for number, level in enumerate(instances)]


def _parts(instances: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of equal numbers, and their first and last intervals, the longest first."""
    found: set[tuple[int, int]] = set()
    first = 0
    for _, group in groupby(instances):
        end = first + len(list(group))
        found.add((first, end))
        length = 1
        while length < end - first:
            found |= {(first, first + length), (end - length, end)}
            length *= 2
        first = end
    return sorted(found, key=lambda part: (part[0] - part[1], part))
