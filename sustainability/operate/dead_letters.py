"""The dead letters of a deployment: documents that could not be ingested, and how to try again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import boto3

from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account, AccountError, Progress

_LOOK_S = 1
_READ_S = 10
"""How long a letter is hidden from others while it is read."""
_WORKING = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class Letter:
    """One dead letter: the key of its document, or its text, and why it is there."""

    document: str
    reason: str


class DeadLetters:
    """The dead-letter queue of one deployment in one AWS account.

    Raises
    ------
    AccountError
        From every method, if there are no credentials or no deployment, or if SQS fails.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._outputs = Account(deployment).outputs
        self._sqs = boto3.Session(region_name=deployment.region).client("sqs")

    def read(self) -> list[Letter]:
        """Return the letters, without taking them out of the queue."""
        found: dict[str, Letter] = {}
        while messages := self._sqs.receive_message(
            QueueUrl=self._outputs["DeadLettersUrl"],
            MaxNumberOfMessages=10,
            VisibilityTimeout=_READ_S,
            WaitTimeSeconds=0,
        ).get("Messages"):
            new = {each["MessageId"]: _letter(each["Body"]) for each in messages}
            if not new.keys() - found.keys():
                break
            found |= new
        return list(found.values())

    def write(self, document: str) -> None:
        """Put a letter into the queue, as if the notice of a document's change had failed."""
        now = datetime.now(UTC).isoformat()
        record = {"eventTime": now, "s3": {"object": {"key": document}}}
        body = json.dumps({"Records": [record]})
        self._sqs.send_message(QueueUrl=self._outputs["DeadLettersUrl"], MessageBody=body)

    def send_back(self, progress: Progress) -> int:
        """Move all letters to the ingest queue; return how many there were.

        The ingest function then looks at each document as it is now. That repairs deletions, too.
        """
        source, destination = self._arn("DeadLettersUrl"), self._arn("IngestQueueUrl")
        if not self._waiting("DeadLettersUrl"):
            return 0
        self._sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
        while True:
            task = self._sqs.list_message_move_tasks(SourceArn=source)["Results"][0]
            moved = int(task["ApproximateNumberOfMessagesMoved"])
            progress(f"{moved} dead letters sent back")
            if task["Status"] == "COMPLETED":
                return moved
            if task["Status"] not in ("RUNNING", "CANCELLING"):
                raise AccountError(
                    f"SQS moved {moved} dead letters and stopped: {task['Status']}, "
                    f"{task.get('FailureReason', 'no reason given')}; run redrive again"
                )
            time.sleep(_LOOK_S)

    def wait_until_worked_off(self, *, seconds: float, progress: Progress) -> int:
        """Wait until the ingest queue is empty; return how many messages it still has."""
        deadline = time.monotonic() + seconds
        while waiting := self._waiting("IngestQueueUrl"):
            if time.monotonic() > deadline:
                break
            progress(f"{waiting} messages are worked on")
            time.sleep(_LOOK_S)
        return waiting

    def _arn(self, output: str) -> str:
        return str(self._attributes(output, "QueueArn")["QueueArn"])

    def _waiting(self, output: str) -> int:
        return sum(map(int, self._attributes(output, *_WORKING).values()))

    def _attributes(self, output: str, *names: str) -> dict[str, Any]:
        found: dict[str, Any] = self._sqs.get_queue_attributes(
            QueueUrl=self._outputs[output], AttributeNames=list(names)
        )["Attributes"]
        return found


def _letter(body: str) -> Letter:
    """Read a report of the ingest function, or a message that the queue gave up."""
    try:
        values = json.loads(body)
        if "reason" in values:
            return Letter(values["document"], f"{values['reason']}: {values['message']}")
        return Letter(", ".join(_keys(values)), "tried too often; see the ingest function's log")
    except (KeyError, TypeError, ValueError):
        return Letter(body[:100], "no document")


def _keys(notification: dict[str, Any]) -> Iterator[str]:
    for record in notification["Records"]:
        yield unquote_plus(record["s3"]["object"]["key"])
