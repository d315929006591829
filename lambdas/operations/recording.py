"""One run: the hours to record, their CloudWatch values, and which of them are new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import dropwhile
from typing import Any

from operations.cloudwatch import hourly
from operations.history import History, is_settled, key
from operations.measures import measures
from operations.record import metrics, record
from operations.settings import Settings
from operations.telemetry import logger, publish


def update(
    now: datetime,
    hours: Sequence[datetime],
    store: History,
    client: Any,
    settings: Settings,
    *,
    closing: bool = False,
    beginning: bool = False,
) -> list[str]:
    """Compute hours, write the records that changed, and return those.

    A history that is `beginning` begins with the first hour of which CloudWatch knows anything:
    before it, the deployment did not exist or did nothing.

    CloudWatch cannot delete values, so an hour's are sent once: when it has settled, or when
    an event closes it. They are sent before the record is written. If the run fails in between,
    they are sent again: their sum then counts the hour twice, but the history never does.
    """
    if not hours:
        return []
    asked = measures(settings.deployment, settings.sources)
    values = hourly(client, asked, hours)
    if beginning:
        hours = list(dropwhile(lambda hour: not values[hour], hours))
    written = []
    for hour in hours:
        place = key(hour)
        before = store.read(place)
        is_published = bool(before and before["final"])
        is_final = is_published or closing or is_settled(hour, now)
        after = record(hour, values[hour], settings) | {"final": is_final}
        if is_final and not is_published:
            sent = {n: v for n, v in metrics(after).items() if n in settings.metrics}
            publish(settings.deployment, hour, sent)
        if after != before:
            store.write(place, after)
            written.append(place)
    logger.info("recorded", hours=len(hours), written=written)
    return written
