"""Runs what is due in the embedded AWS, every second or for hours at once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from ministack.core import lambda_runtime

from local import (
    alarms,
    autoscaling,
    clock,
    endpoints,
    invocations,
    search_units,
    service_metrics,
)

_LOGGER = logging.getLogger(__name__)
_BEAT_SECONDS = 1.0
_STRIDE_SECONDS = 10.0
"""Step in which the clock is moved: the shortest period of a metric."""


@dataclass(frozen=True)
class Servers:
    """URLs of the servers beside the emulator."""

    models: str
    opensearch: str


async def beat(servers: Servers) -> None:
    """Run everything that is due, once a second until cancelled."""
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        _let_happen(servers)


async def let_pass(seconds: float, servers: Servers) -> None:
    """Move the clock forward, and run everything that is due, in order. Moving back runs nothing.

    The functions' environments are ended, as Lambda ends idle ones, because their clocks cannot be
    moved.
    """
    await asyncio.to_thread(lambda_runtime.reset)
    while seconds > 0:
        stride = min(seconds, _STRIDE_SECONDS)
        clock.move(stride)
        seconds -= stride
        _let_happen(servers)
        await asyncio.sleep(0)
    clock.move(seconds)


def _let_happen(servers: Servers) -> None:
    try:
        service_metrics.publish_queue_depths()
        search_units.publish(servers.opensearch)
        for fleet in endpoints.fleets():
            fleet.publish_regularly()
        alarms.evaluate_all(clock.now())
        autoscaling.scale(clock.now())
        invocations.work_off_queues(servers.models)
    except Exception:  # an error must not stop later beats
        _LOGGER.exception("A part of the embedded AWS does not keep up with time")
