from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote_plus

import pytest

from rag import ingest_handler
from rag.errors import Unavailable
from rag.objects import Queue
from rag.settings import IngestSettings
from rag.stores.store import StoreError
from sustainability.footprint.services import per_document
from tests.unit.rag.fakes import KNOWLEDGE, OpenSearchHttp, Services

ENVIRONMENT = {
    "KNOWLEDGE": json.dumps([KNOWLEDGE]),
    "DOCUMENTS_BUCKET": "bucket",
    "INGEST_QUEUE_URL": "https://ingest",
    "DEAD_LETTER_QUEUE_URL": "https://queue",
    "INGEST_SETTINGS": json.dumps(
        {
            "chunk_tokens": 60,
            "overlap_tokens": 0,
            "max_document_mb": 1,
            "embedding_concurrency": 2,
        }
    ),
    "METRICS": "ChunksEmbedded DocumentsIndexed DocumentsRejected EmbeddingTokens",
    "DEPLOYMENT": "test",
}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    monkeypatch.setattr(ingest_handler, "_settings", lambda: IngestSettings.load(ENVIRONMENT))
    monkeypatch.setattr(ingest_handler, "_generations", lambda: [services.reconciler()])
    monkeypatch.setattr(ingest_handler, "_queue", lambda: Queue(services.sqs, "https://ingest"))
    letters = services.reconciler().dead_letters
    monkeypatch.setattr(ingest_handler, "_dead_letters", lambda: letters)
    return services


def sent(id_: str, body: str, *, tries: int = 1, age_s: float = 0) -> dict[str, Any]:
    first = int((time.time() - age_s) * 1000)
    return {
        "messageId": id_,
        "receiptHandle": f"receipt {id_}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(tries),
            "ApproximateFirstReceiveTimestamp": str(first),
        },
    }


def message(id_: str, *keys: str, tries: int = 1, age_s: float = 0) -> dict[str, Any]:
    records = [
        {
            "eventTime": "2026-01-31T12:00:00.000Z",
            "s3": {"bucket": {"name": "bucket"}, "object": {"key": quote_plus(key)}},
        }
        for key in keys
    ]
    return sent(id_, json.dumps({"Records": records}), tries=tries, age_s=age_s)


def handle(*messages: dict[str, Any]) -> set[str]:
    answer = ingest_handler.handler({"Records": list(messages)}, None)
    assert answer is not None
    return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}


def metrics(output: str) -> dict[str, Any]:
    (line,) = (line for line in output.splitlines() if '"_aws"' in line)
    return dict(json.loads(line))


def test_a_batch_is_reconciled_document_by_document(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "notes/été 100%+more \U0001f343.md"
    services.s3.objects = {"a.md": b"# A\n\nText.", odd: b"# B\n\nText."}
    assert handle(message("1", "a.md", odd), message("2", "a.md"), message("3", "gone.md")) == set()
    assert {d["document"] for d in services.opensearch.documents.values()} == {"a.md", odd}
    measured = metrics(capsys.readouterr().out)
    assert measured["Deployment"] == "test"
    assert measured["DocumentsIndexed"] == [2.0]
    assert measured["DocumentsUnchanged"] == 1
    assert measured["ChunksEmbedded"] == [2.0]
    assert measured["DocumentsDeleted"] == 1  # a plain field: METRICS does not name it
    assert len(measured["IngestLag"]) == 4


def test_trouble_with_one_document_fails_its_messages_alone(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.s3.objects = {"a.md": b"# A\n\nText.", "b.md": b"# B\n\nText."}
    get = services.s3.get_object

    def busy(**call: Any) -> dict[str, Any]:
        if call["Key"] == "a.md":
            raise Unavailable("busy")
        return get(**call)

    monkeypatch.setattr(services.s3, "get_object", busy)
    assert handle(message("1", "a.md"), message("2", "b.md"), message("3", "b.md", "a.md")) == {
        "1",
        "3",
    }
    assert {d["document"] for d in services.opensearch.documents.values()} == {"b.md"}


@pytest.mark.parametrize("passages", [2, 30, 60, 250])
def test_a_changed_document_takes_the_requests_that_its_footprint_counts(
    services: Services, passages: int
) -> None:
    def text(version: int) -> bytes:
        places = range(passages)
        return "\n\n".join(f"# Place {n}\n\nState {version}." for n in places).encode()

    services.s3.objects = {"a.md": text(1)}
    assert not handle(message("1", "a.md"))
    services.world.log.clear()
    services.dynamodb.write_units = 0
    services.sqs.hidden.clear()
    services.s3.objects = {"a.md": text(2)}
    assert not handle(message("2", "a.md"))
    assert len(services.opensearch.documents) == passages
    ours = len(services.sqs.hidden)
    assert {
        "dynamodb/read": services.world.log.count("dynamodb get"),
        "dynamodb/write": services.dynamodb.write_units,
        "sqs/request": ours + 3,  # S3 sends the message, Lambda receives and deletes it
    } == per_document(passages)


def test_poison_is_set_aside_and_stops_nobody(services: Services) -> None:
    services.s3.objects = {"bad.pdf": b"%PDF-1.7", "good.md": b"# Good\n\nText."}
    services.s3.objects["#index.md"] = b"A name like any other."
    no_event, no_json = sent("0", "{}"), sent("9", "hello")
    messages = [message("1", "bad.pdf"), message("2", "good.md"), message("3", "#index.md")]
    assert handle(no_event, *messages, no_json) == set()
    reasons = [m["MessageAttributes"]["reason"]["StringValue"] for m in services.sqs.messages]
    assert reasons == ["bad_event", "malformed", "bad_event"]
    indexed = {document["document"] for document in services.opensearch.documents.values()}
    assert indexed == {"good.md", "#index.md"}


def test_a_change_during_the_work_is_found_by_its_own_message(services: Services) -> None:
    services.s3.objects = {"a.md": b"# A\n\nOld."}
    turned_away: set[str] = set()

    def change() -> None:
        services.s3.objects["a.md"] = b"# A\n\nNew."
        turned_away.update(handle(message("2", "a.md")))

    services.world.before[4] = change
    assert handle(message("1", "a.md")) == set()
    assert turned_away == {"2"}
    assert handle(message("2", "a.md", tries=2)) == set()
    assert [d["text"] for d in services.opensearch.documents.values()] == ["New."]


def test_what_fails_comes_back_sooner_at_first_and_later_each_time(services: Services) -> None:
    services.s3.objects = {"a.md": b"# A\n\nText."}
    services.opensearch.error = Unavailable("asleep")
    for tries, age_s, least, most in (
        (1, 0, 2, 4), (3, 20, 8, 16), (9, 400, 45, 90), (40, 5_000, 250, 500), (99, 1e6, 450, 900),
    ):  # fmt: skip
        services.sqs.hidden.clear()
        assert handle(message("1", "a.md", tries=tries, age_s=age_s)) == {"1"}
        (at_work, paused) = services.sqs.hidden
        assert at_work == ("receipt 1", 60)
        assert least <= paused[1] <= most + 1
    assert services.sqs.messages == [], "trouble that passes is no dead letter"
    services.opensearch.error = None
    assert handle(message("1", "a.md", tries=99)) == set()


def test_a_queue_that_cannot_hide_a_message_stops_no_document(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**call: Any) -> dict[str, Any]:
        raise Unavailable("no answer")

    services.s3.objects = {"a.md": b"# A\n\nText."}
    monkeypatch.setattr(services.sqs, "change_message_visibility", away)
    assert handle(message("1", "a.md")) == set()
    assert {d["document"] for d in services.opensearch.documents.values()} == {"a.md"}


def test_while_a_document_is_worked_on_others_know_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.s3.objects = {"a.md": b"# A\n\nText."}
    monkeypatch.setattr(ingest_handler, "_HIDDEN_S", 0.03)
    embed = services.bedrock.invoke_model

    def slowly(**call: Any) -> dict[str, Any]:
        while len(services.sqs.hidden) < 4:
            time.sleep(0.01)
        return embed(**call)

    monkeypatch.setattr(services.bedrock, "invoke_model", slowly)
    assert handle(message("1", "a.md")) == set()
    beats = len(services.sqs.hidden)
    time.sleep(0.05)
    assert len(services.sqs.hidden) == beats, "the last one is before the end of the work"


def test_what_no_waiting_cures_is_a_dead_letter_after_some_tries(services: Services) -> None:
    services.s3.objects = {"a.md": b"# A\n\nText.", "b.md": b"# B\n\nText."}
    services.opensearch.error = StoreError(400, "mapper_exception")
    assert handle(message("1", "a.md", "b.md", tries=7)) == {"1"}
    assert handle(message("1", "a.md", "b.md", tries=8)) == set()
    letters = [json.loads(letter["MessageBody"]) for letter in services.sqs.messages]
    assert [letter["document"] for letter in letters] == ["a.md", "b.md"]
    assert "mapper_exception" in letters[0]["message"]
    # The cause is gone, and the letters are sent back to the queue.
    services.opensearch.error = None
    services.sqs.messages.clear()
    assert handle(*(sent(str(n), json.dumps(each)) for n, each in enumerate(letters))) == set()
    assert {d["document"] for d in services.opensearch.documents.values()} == {"a.md", "b.md"}
    assert services.sqs.messages == []


def test_a_letter_that_comes_back_is_kept_while_its_document_is_bad(services: Services) -> None:
    services.s3.objects["bad.pdf"] = b"%PDF-1.7"
    assert handle(message("1", "bad.pdf"), sent("2", "hello")) == set()
    for _ in range(2):
        letters = [letter["MessageBody"] for letter in services.sqs.messages]
        services.sqs.messages.clear()
        assert handle(*(sent(str(n), each) for n, each in enumerate(letters))) == set()
        assert [letter["MessageBody"] for letter in services.sqs.messages] == letters
    del services.s3.objects["bad.pdf"]
    services.sqs.messages.clear()
    assert handle(sent("1", letters[0])) == set()
    assert services.sqs.messages == []


def test_the_test_event_and_folders_of_the_console_are_no_documents(services: Services) -> None:
    test_event = sent("1", json.dumps({"Event": "s3:TestEvent"}))
    assert handle(test_event, message("2", "folder/")) == set()
    assert services.world.calls == 0


def test_a_new_index_is_filled_by_the_queue(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "rag.custom_resource.put", lambda url, body: reports.append(json.loads(body))
    )
    index = OpenSearchHttp(services.world)
    generation = services.next_generation(index)
    monkeypatch.setattr(ingest_handler, "_generations", lambda: [generation, services.reconciler()])
    monkeypatch.setattr(ingest_handler, "_refill", lambda: services.refill(generation))
    services.add(a="# A\n\nText.", b="# B\n\nMore text.")
    del services.sqs.batches[:]
    event = {"RequestType": "Create", "ResponseURL": "u", "StackId": "s", "RequestId": "r"}
    assert ingest_handler.handler({**event, "LogicalResourceId": "l"}, None) is None
    (told,) = reports
    assert told["Status"] == "SUCCESS"
    while services.sqs.batches:
        batch, services.sqs.batches = services.sqs.batches, []
        messages = [sent(each["Id"], each["MessageBody"]) for each in batch]
        assert handle(*messages) == set()
    assert generation.manifest.client.tables["next"]["/"]["complete"]
    assert index.documents.keys() == services.opensearch.documents.keys()
    assert len(services.bedrock.embedded) == 2, "each passage once, in two indexes"


def test_who_asks_for_it_by_hand_has_all_indexed_anew(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(a="# A\n\nText.")
    monkeypatch.setattr(ingest_handler, "_refill", lambda: services.refill(services.reconciler()))
    assert handle(sent("1", '{"reindex": {"forget": true}}')) == set()
    assert "complete" not in services.dynamodb.tables["documents"]["/"]
    assert len(services.sqs.batches) == 2


def test_a_step_of_a_generation_that_is_gone_is_dropped(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_handler, "_refill", lambda: services.refill(services.reconciler()))
    before = services.world.calls
    body = json.dumps({"walk": {"generation": "old", "walk": "w"}})
    assert handle(sent("1", body)) == set()
    assert services.world.calls == before
    assert handle(sent("1", '{"walk": {"generation": "new"}}')) == set()
    assert services.sqs.messages, "a broken step is set aside"
