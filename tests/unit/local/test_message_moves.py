"""The redrive of dead letters moves what AWS would move."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local import message_moves
from local import ministack_internals as internals

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    monkeypatch.setattr(internals, "SQS_ACTIONS", dict(internals.SQS_ACTIONS))
    message_moves.install()
    made: list[str] = []

    def call(action: str, **request: Any) -> dict[str, Any]:
        answer = internals.SQS_ACTIONS[action](request, "")
        made.extend([answer["QueueUrl"]] if action == "CreateQueue" else [])
        return answer

    yield call
    for url in made:
        internals.SQS_ACTIONS["DeleteQueue"]({"QueueUrl": url}, "")


def arn(call: Call, url: str) -> str:
    asked = call("GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])
    return str(asked["Attributes"]["QueueArn"])


def depth(url: str) -> int:
    return sum(len(queue["messages"]) for (*_, of), queue in internals.queues() if of == url)


def test_letters_go_where_they_are_sent_and_only_from_a_dead_letter_queue(call: Call) -> None:
    dead = call("CreateQueue", QueueName="dead")["QueueUrl"]
    policy = json.dumps({"deadLetterTargetArn": arn(call, dead), "maxReceiveCount": 1})
    source = call("CreateQueue", QueueName="source", Attributes={"RedrivePolicy": policy})
    url = source["QueueUrl"]
    call("SendMessage", QueueUrl=dead, MessageBody="sent by hand")

    with pytest.raises(internals.SqsError, match="Dead Letter Queue"):
        call("StartMessageMoveTask", SourceArn=arn(call, url))
    with pytest.raises(internals.SqsError, match="does not exist"):
        call("StartMessageMoveTask", SourceArn=f"{arn(call, dead)}x")

    call("StartMessageMoveTask", SourceArn=arn(call, dead))
    (task,) = call("ListMessageMoveTasks", SourceArn=arn(call, dead))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert (depth(dead), depth(url)) == (1, 0)

    call("StartMessageMoveTask", SourceArn=arn(call, dead), DestinationArn=arn(call, url))
    (task,) = call("ListMessageMoveTasks", SourceArn=arn(call, dead))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    assert (depth(dead), depth(url)) == (0, 1)
