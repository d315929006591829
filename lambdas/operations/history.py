"""The history: one JSON object per hour in S3, and which hours to write next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

_KEY = "history/%Y/%m/%d/%H.json"
_HOUR = timedelta(hours=1)
SETTLES_AFTER = timedelta(hours=3)
"""From the start of an hour until CloudWatch's values for it no longer change."""
_FIRST_LOOK = timedelta(hours=23)
REMEMBERED = timedelta(days=14)
"""Oldest gap that is filled. CloudWatch accepts no older metrics in a log line."""


def key(hour: datetime) -> str:
    """Return the object key of an hour's record."""
    return hour.strftime(_KEY)


def due(now: datetime, written: Mapping[datetime, datetime]) -> list[datetime]:
    """Return the settled hours to compute: missing ones, and those written before they had settled.

    `written` are the hours with a record, and when it was written. Without any, these are the hours
    of a day, of which the first ones may be older than the deployment.
    """
    last = (now - SETTLES_AFTER).replace(minute=0, second=0, microsecond=0)
    first = max(min(written, default=last - _FIRST_LOOK), last - REMEMBERED)
    hours = [first + _HOUR * number for number in range(int((last - first) / _HOUR) + 1)]
    return [hour for hour in hours if hour not in written or not is_settled(hour, written[hour])]


def is_settled(hour: datetime, at: datetime) -> bool:
    """Return whether what was known about an hour then is what will be known."""
    return at >= hour + SETTLES_AFTER


@dataclass(frozen=True, slots=True)
class History:
    """The records in one bucket."""

    client: Any
    bucket: str

    def written(self, now: datetime) -> dict[datetime, datetime]:
        """Return the hours with a record, as far back as gaps are filled, and when it was written.

        One request for all; if there are none, the first hour of all, should it be longer ago.
        """
        start = key(now - REMEMBERED - 2 * _HOUR)
        found = list(self._list("history/", StartAfter=start))
        return {
            datetime.strptime(item["Key"], _KEY).replace(tzinfo=UTC): item["LastModified"]
            for item in found or islice(self._list("history/"), 1)
        }

    def month(self, month: datetime) -> list[dict[str, Any]]:
        """Return the records of a month."""
        return self._records(month.strftime("history/%Y/%m/"))

    def day(self, day: date) -> list[dict[str, Any]]:
        """Return the records of a day in UTC."""
        return self._records(day.strftime("history/%Y/%m/%d/"))

    def _records(self, prefix: str) -> list[dict[str, Any]]:
        found = (self.read(item["Key"]) for item in self._list(prefix))
        return [record for record in found if record is not None]

    def _list(self, prefix: str, **options: str) -> Iterator[dict[str, Any]]:
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, **options):
            yield from page.get("Contents", ())

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a stored object, or None when there is none."""
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except self.client.exceptions.NoSuchKey:
            return None
        found: dict[str, Any] = json.loads(body.read())
        return found

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        """Store an object."""
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=json.dumps(value, separators=(",", ":")).encode() + b"\n",
            ContentType="application/json",
        )
