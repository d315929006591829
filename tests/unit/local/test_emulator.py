"""What the emulator cannot keep it does not take, and what it ends does not hold others up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event, Timer
from time import time
from types import SimpleNamespace
from typing import Any

import pytest
from ministack.services import lambda_svc, s3, sqs

from local import emulator
from local import ministack_internals as internals
from local import ministack_patches as patches
from local.heartbeat import Servers


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_no_change_is_taken_while_the_disk_is_full(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the request was read")

    monkeypatch.setattr(emulator.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    scope: Any = {"type": "http", "method": method, "path": "/bucket/a.md"}
    asyncio.run(emulator._application(tmp_path, Servers("", ""), scope, receive, send))
    assert sent[0]["status"] == 503
    assert b"disk of the embedded AWS is full" in sent[1]["body"]


def test_nobody_waits_while_the_folders_of_a_changed_function_are_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = internals.END_PROCESSES
    held, ended = Event(), Event()

    def end(workers: list[str]) -> None:
        held.wait()
        ended.set()

    monkeypatch.setattr(place.module, place.name, end)
    patches._answer_while_functions_end()
    getattr(place.module, place.name)(["a worker"])  # returns while `end` is held
    assert not ended.is_set()
    held.set()
    assert ended.wait(60)


def test_an_end_leaves_nothing_hidden_and_no_event_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a function had, and an event that had not come to its queue."""
    for place in (internals.FIRE_S3_EVENT_LATER, internals.QUEUES_TO_SAVE):
        monkeypatch.setattr(place.module, place.name, getattr(place.module, place.name))
    patches.lose_nothing_that_was_under_way()
    call = internals.SQS_ACTIONS
    for name in ("read", "unread"):
        hidden = {"VisibilityTimeout": "1800"}
        url = call["CreateQueue"]({"QueueName": name, "Attributes": hidden}, "")["QueueUrl"]
        call["SendMessage"]({"QueueUrl": url, "MessageBody": "at work"}, "")
        assert sqs._receive_messages_for_esm(url, 1)
        call["SendMessage"]({"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 600}, "")
    (read, unread) = (arn(name) for name in ("read", "unread"))
    mapping = ("", "", {"EventSourceArn": read})
    monkeypatch.setattr(lambda_svc, "_iter_all_esms", lambda: [mapping])
    came, seen = Event(), list[str]()

    def fire(bucket: str, key: str, event: str, **more: Any) -> None:
        came.wait(60)
        seen.append(key)

    monkeypatch.setattr(s3, "_fire_s3_event", fire)
    s3._fire_s3_event_async("bucket", "a.md", "s3:ObjectCreated:Put", 3, "etag")
    Timer(0.1, came.set).start()
    try:
        saved = sqs.get_state()["queues"]._data.values()
        assert seen == ["a.md"]
        visible = {
            (queue["attributes"]["QueueArn"], message["body"]): message["visible_at"] <= time()
            for queue in saved
            for message in queue["messages"]
        }
        assert visible == {
            (read, "at work"): True,
            (read, "later"): False,
            (unread, "at work"): False,
            (unread, "later"): False,
        }
    finally:
        sqs.reset()


def arn(queue: str) -> str:
    (found,) = (
        each["attributes"]["QueueArn"]
        for (*_, url), each in internals.queues()
        if url.endswith(f"/{queue}")
    )
    return str(found)
