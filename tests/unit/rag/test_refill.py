"""A walk through the bucket fills an index, whatever fails on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.documents import INDEX_ROW
from rag.errors import Unavailable
from rag.reconcile import Reconciler
from rag.refill import Refill, Step
from tests.unit.rag.fakes import Crash, OpenSearchHttp, Services

TABLE = "next"


@pytest.fixture(scope="module", autouse=True)
def _read_in_this_process() -> Iterator[None]:
    """Read documents without a process of their own: these are plain text."""

    def run(call: Any, *arguments: Any, **limits: Any) -> Any:
        return call(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag.reading.sandbox.run", run)
        yield


class Ingest:
    """The ingest queue and its function, as far as a walk needs them."""

    def __init__(self, documents: int) -> None:
        self.services = Services()
        self.index = OpenSearchHttp(self.services.world)
        self.reconciler: Reconciler = self.services.next_generation(self.index)
        self.refill: Refill = self.services.refill(self.reconciler)
        self.broken: set[str] = set()
        self.most_waiting = 0
        for number in range(documents):
            key = f"folder/ü {number:04}.txt"
            self.services.s3.objects[key] = f"Text number {number}.".encode()
        self.services.s3.objects["folder/"] = b""

    @property
    def complete(self) -> bool:
        return "complete" in self.services.dynamodb.tables.get(TABLE, {}).get(INDEX_ROW, {})

    def work(self, messages: int = 10_000) -> None:
        """Work on what is in the queue, until nothing is left that is due within a minute."""
        queue = self.services.sqs.batches
        for _ in range(messages):
            events = [each for each in queue if "Records" in json.loads(each["MessageBody"])]
            self.most_waiting = max(self.most_waiting, len(events))
            due = [each for each in queue if each["DelaySeconds"] < 60]
            if not due:
                return
            message = (events or due)[0]
            queue.remove(message)
            self.handle(message)

    def handle(self, message: dict[str, Any]) -> None:
        body = json.loads(message["MessageBody"])
        try:
            if "walk" in body:
                self.refill.advance(Step.parse(body["walk"]))
                return
            (record,) = body["Records"]
            key = unquote_plus(record["s3"]["object"]["key"])
            if key not in self.broken:
                epoch = self.reconciler.manifest.index().epoch
                replace(self.reconciler, epoch=epoch).reconcile(key)
        except Crash:
            self.services.world.now += 10_000  # until the queue brings it again
            self.services.sqs.batches.append(message)

    def next_round(self) -> None:
        for message in self.services.sqs.batches:
            message["DelaySeconds"] = 0
        self.work()


def test_every_document_gets_in_and_the_queue_stays_short() -> None:
    ingest = Ingest(250)
    ingest.refill.begin()
    assert not ingest.complete
    ingest.work()
    assert ingest.complete
    assert len(ingest.index.documents) == 250
    assert ingest.most_waiting == 100
    assert ingest.services.sqs.batches == []


def test_an_empty_bucket_is_complete_at_once() -> None:
    ingest = Ingest(0)
    ingest.refill.begin()
    assert ingest.complete
    assert ingest.services.sqs.batches == []


def test_no_index_is_complete_while_a_document_is_missing() -> None:
    ingest = Ingest(130)
    ingest.broken.add("folder/ü 0007.txt")
    ingest.refill.begin()
    ingest.work()
    assert len(ingest.index.documents) == 129
    assert not ingest.complete
    ingest.broken.clear()
    ingest.next_round()  # sends again what is missing
    assert len(ingest.index.documents) == 130
    assert ingest.complete


def test_a_rejected_document_is_no_missing_one() -> None:
    ingest = Ingest(3)
    ingest.services.s3.objects["picture.png"] = b"\x89PNG"
    ingest.refill.begin()
    ingest.work()
    assert ingest.complete


@settings(max_examples=20)
@given(st.lists(st.integers(1, 150), max_size=6))
def test_a_crash_at_any_moment_ends_in_the_same_index(moments: list[int]) -> None:
    ingest = Ingest(6)

    def crash() -> None:
        raise Crash

    ingest.refill.begin()
    ingest.services.world.before = {
        ingest.services.world.calls + moment: crash for moment in moments
    }
    ingest.work()
    while not ingest.complete:
        ingest.next_round()
    assert len(ingest.index.documents) == 6
    assert ingest.services.sqs.batches == [], "one walk, however often a step was repeated"


def test_a_new_walk_ends_the_one_before() -> None:
    ingest = Ingest(3)
    ingest.refill.begin()
    ingest.refill.begin()
    walks = {
        json.loads(message["MessageBody"])["walk"]["walk"]
        for message in ingest.services.sqs.batches
        if "walk" in json.loads(message["MessageBody"])
    }
    assert len(walks) == 2
    ingest.work()
    assert ingest.complete


def test_an_index_that_came_back_empty_is_filled_again() -> None:
    ingest = Ingest(5)
    ingest.refill.begin()
    ingest.work()
    ingest.index.documents.clear()
    ingest.refill.begin()
    assert not ingest.complete, "no question may be told that the documents say nothing"
    ingest.work()
    assert ingest.complete
    assert len(ingest.index.documents) == 5


@pytest.mark.parametrize("forget", [False, True])
def test_a_walk_over_an_index_that_is_there_leaves_it_in_use(forget: bool) -> None:
    ingest = Ingest(5)
    ingest.refill.begin()
    ingest.work()
    embedded = len(ingest.services.bedrock.embedded)
    ingest.refill.begin(forget=forget)
    assert ingest.complete is not forget
    ingest.work()
    assert ingest.complete
    assert len(ingest.services.bedrock.embedded) == embedded * (2 if forget else 1)


def test_a_store_that_sleeps_is_not_taken_for_an_empty_one() -> None:
    ingest = Ingest(5)
    ingest.refill.begin()
    ingest.work()
    ingest.index.error = Unavailable("asleep")
    ingest.refill.begin()
    assert ingest.complete
