"""How many copies batches of questions need: by simulation, because no formula here describes it.

Questions of a batch start together on copies that were idle, so all their answers end late
together. A coefficient of variation does not say that. So a trace with batches is simulated with
fleets of constant size, and the coefficient is chosen with which the plan has as many copies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sustainability.deployment.schema import Deployment, DeploymentError
from sustainability.plan.capacity import Capacity
from sustainability.plan.realtime import planned_attainment
from sustainability.plan.situation import Situation
from sustainability.simulation.engine import Endpoint, replay
from sustainability.simulation.traffic import Request, Traffic

_MOST_QUESTIONS = 20_000
"""That are simulated with each number of copies: less than a second."""
_MOST_COPIES = 256
_HIGHEST_VARIATION = 100.0
_BISECTIONS = 20


class BatchCapacity(NamedTuple):
    """What batches need in the busiest hour of a trace."""

    copies: int
    """Fewest copies that keep the service level."""
    variation: float
    """``traffic.arrival_variation`` with which the plan has at least as many."""


def batch_capacity(
    deployment: Deployment, fitted: Mapping[str, Any], traffic: Traffic
) -> BatchCapacity | None:
    """Return what the busiest hour of ``traffic`` needs; ``fitted`` describes it.

    None if answers may wait for longer than an interactive latency, if the model takes no such
    prompts, or if not even 256 copies keep the service level.
    """
    latency = deployment.service_level.latency_p95
    if latency is None:
        return None
    declared = {**dict(deployment), "traffic": {**dict(deployment.traffic), **fitted}}
    try:
        situation = Situation.of(Deployment.model_validate(declared))
    except DeploymentError:
        return None
    level = planned_attainment(deployment.service_level.attainment)
    capacity, asked = situation.capacity(latency), _busiest(traffic)
    copies = _fewest(asked, situation, capacity, level)
    if copies is None:
        return None
    rate = len(asked) / (asked[-1].time - asked[0].time)
    low, high = 1.0, _HIGHEST_VARIATION
    if _planned(capacity, 1.0, rate, level) >= copies:
        return BatchCapacity(copies, 1.0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _planned(capacity, middle, rate, level) >= copies:
            high = middle
        else:
            low = middle
    return BatchCapacity(copies, math.ceil(100 * high) / 100)


def _busiest(traffic: Traffic) -> list[Request]:
    """Return the questions of the hour with the most, from the beginning of the hour."""
    hours: dict[int, list[Request]] = {}
    for request in traffic.requests():
        of_hour = hours.setdefault(int(request.time // 3600), [])
        if len(of_hour) < _MOST_QUESTIONS:
            of_hour.append(request)
    return max(hours.values(), key=len)


def _fewest(
    asked: list[Request], situation: Situation, capacity: Capacity, level: float
) -> int | None:
    most = situation.deployment.answers.max_tokens
    endpoint = Endpoint(
        slots=situation.model.slots,
        prefill_per_token=situation.model.prefill.mid,
        decode_per_token=situation.model.decode.mid,
        cold_start=0.0,
        limit=capacity.limit,
        long_answer=capacity.long.total,
        longest_prompt=situation.model.sequence_length - most,
    )
    cut = [
        request._replace(
            time=request.time - asked[0].time, output_tokens=min(most, request.output_tokens)
        )
        for request in asked
    ]

    def keeps(copies: int) -> bool:
        return replay(cut, endpoint.starting_with(copies), lambda _: copies).attainment >= level

    fewest, enough = 0, 1
    while not keeps(enough):
        if enough >= _MOST_COPIES:
            return None
        fewest, enough = enough, 2 * enough
    while enough - fewest > 1:
        middle = (fewest + enough) // 2
        fewest, enough = (fewest, middle) if keeps(middle) else (middle, enough)
    return enough


def _planned(capacity: Capacity, variation: float, rate: float, level: float) -> int:
    other = replace(capacity, arrival_variation=variation)
    return other.copies_for(rate, level, _MOST_COPIES) or _MOST_COPIES
