"""What happens in the embedded AWS because time passes: a second in a second, or hours at once."""

from __future__ import annotations

import asyncio
import logging

from ministack.core import lambda_runtime

from local import alarms, autoscaling, clock, endpoints, invocations, service_metrics

_LOGGER = logging.getLogger(__name__)
_BEAT_SECONDS = 1.0
_STRIDE_SECONDS = 10.0
"""When the clock is moved: the shortest period that any metric has."""


async def beat(models_url: str) -> None:
    """Let everything happen that is due, once a second until cancelled."""
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        _let_happen(models_url)


async def let_pass(seconds: float, models_url: str) -> None:
    """Move the clock, and let everything happen on the way in its order; nothing on the way back.

    The functions' environments are given up, as Lambda does with idle ones: their clocks cannot be
    moved along.
    """
    await asyncio.to_thread(lambda_runtime.reset)
    while seconds > 0:
        stride = min(seconds, _STRIDE_SECONDS)
        clock.move(stride)
        seconds -= stride
        _let_happen(models_url)
        await asyncio.sleep(0)
    clock.move(seconds)


def _let_happen(models_url: str) -> None:
    try:
        service_metrics.publish_queue_depths()
        for fleet in endpoints.fleets():
            fleet.publish_regularly()
        alarms.evaluate_all(clock.now())
        autoscaling.scale(clock.now())
        invocations.work_off_queues(models_url)
    except Exception:  # whatever it is, the next beat comes
        _LOGGER.exception("A part of the embedded AWS does not keep up with time")
