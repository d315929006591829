"""The scheduled run, an hour by its name, and the monthly comparison with AWS's own figures.

The event of the schedule is empty: it writes the hours that are missing, and judges the days that
are complete beside their targets. `{"hour": "2026-11-23T05:00:00Z"}` computes one hour again and
closes it, so that its metrics are sent at once; `{"task": "account"}` is the monthly task.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from operations import account, course, history, recording
from operations.settings import Settings


class InvalidEvent(Exception):
    """An event of another form than the module's docstring describes."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Write the missing records of the history; return what was written."""
    settings, now = _settings(), datetime.now(UTC)
    store = history.History(_client("s3"), settings.bucket)
    if event == {"task": "account"}:
        connect = partial(_client, "sustainability")
        return {"months": account.update(now, store, connect, settings)}
    if event and set(event) != {"hour"}:
        raise InvalidEvent("the event is empty, an hour or the task account")
    if event:
        hours, beginning = [_hour(event["hour"])], False
    else:
        known = store.written(now)
        hours, beginning = history.due(now, known), not known
    written = recording.update(
        now,
        hours,
        store,
        _client("cloudwatch"),
        settings,
        closing=bool(event),
        beginning=beginning,
    )
    if event:
        return {"hours": written}
    return {"hours": written, "days": course.update(now, written, store, _settings())}


def _hour(text: object) -> datetime:
    try:
        hour = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidEvent(f"hour: {error}") from error
    if hour.tzinfo is None or hour != hour.replace(minute=0, second=0, microsecond=0):
        raise InvalidEvent(f"hour: {text} is no full hour with a time zone: 2026-11-23T05:00:00Z")
    return hour.astimezone(UTC)


@cache
def _settings() -> Settings:
    return Settings.load(os.environ)


@cache
def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        config=Config(connect_timeout=2, read_timeout=20, retries={"mode": "standard"}),
    )
