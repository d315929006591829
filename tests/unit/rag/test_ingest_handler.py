from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest

from rag import ingest_handler
from rag.errors import Unavailable
from rag.settings import IngestSettings
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


class Context:
    def __init__(self, seconds: float = 300) -> None:
        self.milliseconds = int(seconds * 1000)

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    services = Services()
    monkeypatch.setattr(ingest_handler, "_settings", lambda: IngestSettings.load(ENVIRONMENT))
    monkeypatch.setattr(ingest_handler, "_generations", lambda: [services.reconciler()])
    return services


def message(id_: str, *keys: str) -> dict[str, Any]:
    records = [
        {
            "eventTime": "2026-01-31T12:00:00.000Z",
            "s3": {"bucket": {"name": "bucket"}, "object": {"key": quote_plus(key)}},
        }
        for key in keys
    ]
    return {"messageId": id_, "body": json.dumps({"Records": records})}


def handle(*messages: dict[str, Any], seconds: float = 300) -> set[str]:
    answer = ingest_handler.handler({"Records": list(messages)}, Context(seconds))
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
    assert measured["ChunksEmbedded"] == [2.0]
    assert measured["DocumentsDeleted"] == 1  # a plain field: METRICS does not name it
    assert len(measured["IngestLag"]) == 3


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


def test_poison_is_set_aside_and_stops_nobody(services: Services) -> None:
    services.s3.objects = {"bad.pdf": b"%PDF-1.7", "good.md": b"# Good\n\nText."}
    services.s3.objects["#index.md"] = b"A name like any other."
    no_event = {"messageId": "0", "body": "{}"}
    no_json = {"messageId": "9", "body": "hello"}
    messages = [message("1", "bad.pdf"), message("2", "good.md"), message("3", "#index.md")]
    assert handle(no_event, *messages, no_json) == set()
    reasons = [m["MessageAttributes"]["reason"]["StringValue"] for m in services.sqs.messages]
    assert reasons == ["bad_event", "bad_event", "malformed"]
    indexed = {document["document"] for document in services.opensearch.documents.values()}
    assert indexed == {"good.md", "#index.md"}


def test_a_change_during_the_work_is_part_of_the_work(services: Services) -> None:
    services.s3.objects = {"a.md": b"# A\n\nOld.", "b.md": b"# B\n\nText."}

    def change() -> None:
        services.s3.objects["a.md"] = b"# A\n\nNew."

    services.world.before[4] = change
    assert handle(message("1", "a.md"), message("2", "b.md")) == set()
    assert {d["text"] for d in services.opensearch.documents.values()} == {"New.", "Text."}


def test_the_test_event_and_folders_of_the_console_are_no_documents(services: Services) -> None:
    test_event = {"messageId": "1", "body": json.dumps({"Event": "s3:TestEvent"})}
    assert handle(test_event, message("2", "folder/")) == set()
    assert services.world.calls == 0


def test_a_document_is_not_begun_without_the_time_to_end_it(services: Services) -> None:
    services.s3.objects = {"a.md": b"# A\n\nText."}
    assert handle(message("1", "a.md"), seconds=60) == {"1"}
    assert services.world.log == ["dynamodb get"], "the row of the index, no more"


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
    assert ingest_handler.handler({**event, "LogicalResourceId": "l"}, Context()) is None
    (told,) = reports
    assert told["Status"] == "SUCCESS"
    while services.sqs.batches:
        sent, services.sqs.batches = services.sqs.batches, []
        messages = [{"messageId": each["Id"], "body": each["MessageBody"]} for each in sent]
        assert handle(*messages) == set()
    assert generation.manifest.client.tables["next"]["/"]["complete"]
    assert index.documents.keys() == services.opensearch.documents.keys()
    assert len(services.bedrock.embedded) == 2, "each passage once, in two indexes"


def test_who_asks_for_it_by_hand_has_all_indexed_anew(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.add(a="# A\n\nText.")
    monkeypatch.setattr(ingest_handler, "_refill", lambda: services.refill(services.reconciler()))
    assert handle({"messageId": "1", "body": '{"reindex": {"forget": true}}'}) == set()
    assert "complete" not in services.dynamodb.tables["documents"]["/"]
    assert len(services.sqs.batches) == 2


def test_a_step_of_a_generation_that_is_gone_is_dropped(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_handler, "_refill", lambda: services.refill(services.reconciler()))
    before = services.world.calls
    body = json.dumps({"walk": {"generation": "old", "walk": "w"}})
    assert handle({"messageId": "1", "body": body}) == set()
    assert services.world.calls == before
    assert handle({"messageId": "1", "body": '{"walk": {"generation": "new"}}'}) == set()
    assert services.sqs.messages, "a broken step is set aside"
