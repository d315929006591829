"""The documents bucket, the ingest queue, and the queue for what cannot be indexed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rag.clients import translated
from rag.errors import Rejected, Unavailable

_BATCH = 10
"""Messages in a call."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object's current state. `read` downloads its content, `close` does without."""

    etag: str
    size: int
    read: Callable[[], bytes]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Objects:
    """One bucket."""

    client: Any
    bucket: str

    def get(self, document: str) -> Source | None:
        """Return the object, or None when there is none.

        One request: S3 sends the metadata ahead, and the content is not read unless asked for.
        Without permission to list the bucket S3 hides a missing object behind "access denied".
        """
        with translated("documents bucket"):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=document)
            except self.client.exceptions.NoSuchKey:
                return None
        body = answer["Body"]
        return Source(answer["ETag"].strip('"'), answer["ContentLength"], body.read, body.close)

    def page(self, after: str, size: int) -> dict[str, str]:
        """Return the entity tags of up to `size` objects by key, in order, from behind a key on."""
        with translated("documents bucket"):
            listed = self.client.list_objects_v2(Bucket=self.bucket, StartAfter=after, MaxKeys=size)
        return {each["Key"]: each["ETag"].strip('"') for each in listed.get("Contents", ())}


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of events that the ingest function works on."""

    client: Any
    url: str

    def send(self, *bodies: Mapping[str, Any], delay_s: int = 0) -> None:
        """Send messages, which appear after the delay."""
        for at in range(0, len(bodies), _BATCH):
            entries = [
                {"Id": str(n), "MessageBody": json.dumps(body), "DelaySeconds": delay_s}
                for n, body in enumerate(bodies[at : at + _BATCH])
            ]
            with translated("ingest queue"):
                answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
            if answer.get("Failed"):
                raise Unavailable("ingest queue: messages were not taken")

    def hide(self, receipt: str, seconds: int) -> None:
        """Have a message that was received come back after so many seconds, if it is not done."""
        with translated("ingest queue"):
            self.client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The queue for what cannot be indexed."""

    client: Any
    queue_url: str
    bucket: str

    def send(self, subject: str, rejection: Rejected) -> None:
        """Report a document key, or a message that names none, with the reason."""
        reason, message = (
            {"DataType": "String", "StringValue": "".join(filter(str.isprintable, text))}
            for text in (rejection.reason, rejection.message)
        )
        body = {
            "bucket": self.bucket,
            "document": subject,
            "reason": rejection.reason,
            "message": rejection.message,
        }
        with translated("dead-letter queue"):
            self.client.send_message(
                QueueUrl=self.queue_url,
                MessageBody=json.dumps(body),
                MessageAttributes={"reason": reason, "message": message},
            )
