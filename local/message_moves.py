"""The redrive of SQS: tasks that move the messages of a dead-letter queue, which MiniStack lacks.

AWS moves them in the background. Here they are moved before the call that starts it returns.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from local import ministack_internals as internals

_SHOWN = 10
"""Tasks of a queue that AWS lists."""


def install() -> None:
    """Add the operations to SQS."""
    tasks: dict[str, list[dict[str, Any]]] = {}

    def start(request: dict[str, Any], _: str) -> dict[str, Any]:
        source = _queue(request["SourceArn"])
        if not _is_dead_letter_queue(request["SourceArn"]):
            raise internals.SqsError(
                "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."
            )
        destination = request.get("DestinationArn")
        if destination:
            _queue(destination)
        moved, left = _move(source, destination)
        task = {
            "Status": "FAILED" if left else "COMPLETED",
            "SourceArn": request["SourceArn"],
            **({"DestinationArn": destination} if destination else {}),
            "ApproximateNumberOfMessagesMoved": moved,
            "ApproximateNumberOfMessagesToMove": moved + left,
            **({"FailureReason": "CouldNotDetermineMessageSource"} if left else {}),
            "StartedTimestamp": int(time.time() * 1000),
        }
        tasks[request["SourceArn"]] = [task, *tasks.get(request["SourceArn"], ())][:_SHOWN]
        return {"TaskHandle": uuid.uuid4().hex}

    def show(request: dict[str, Any], _: str) -> dict[str, Any]:
        _queue(request["SourceArn"])
        known = tasks.get(request["SourceArn"], [])
        return {"Results": known[: int(request.get("MaxResults", 1))]}

    internals.SQS_ACTIONS |= {"StartMessageMoveTask": start, "ListMessageMoveTasks": show}


def _queue(arn: str) -> dict[str, Any]:
    queue = internals.queue_of(arn)
    if queue is None:
        raise internals.SqsError(
            "ResourceNotFoundException", "The resource that you specified does not exist.", 404
        )
    return queue


def _is_dead_letter_queue(arn: str) -> bool:
    policies = (queue["attributes"].get("RedrivePolicy", "{}") for _, queue in internals.queues())
    return any(json.loads(policy).get("deadLetterTargetArn") == arn for policy in policies)


def _move(source: dict[str, Any], destination: str | None) -> tuple[int, int]:
    """Move what can be moved; return how many messages were, and how many were not.

    Those that are hidden stay. Without a destination each goes to where it came from; one that was
    sent to the dead-letter queue itself came from nowhere.
    """
    moved, left, kept = 0, 0, []
    with internals.SQS_LOCK:
        for message in source["messages"]:
            origin = destination or message.get("sys", {}).get("DeadLetterQueueSourceArn")
            target = internals.queue_of(origin) if origin else None
            if message["visible_at"] > time.time():
                kept.append(message)
            elif target is None:
                kept.append(message)
                left += 1
            else:
                target["messages"].append(_as_new(message))
                moved += 1
        source["messages"] = kept
    internals.wake_event_sources()
    return moved, left


def _as_new(message: dict[str, Any]) -> dict[str, Any]:
    """Return a moved message, which to SQS is a new one."""
    now = time.time()
    system = {
        name: value
        for name, value in message.get("sys", {}).items()
        if name not in ("DeadLetterQueueSourceArn", "SentTimestamp")
    }
    return {
        **message,
        "id": str(uuid.uuid4()),
        "receipt_handle": None,
        "sent_at": now,
        "enqueued_at": now,
        "visible_at": now,
        "receive_count": 0,
        "first_receive_at": None,
        "sys": {**system, "SentTimestamp": str(int(now * 1000))},
    }
