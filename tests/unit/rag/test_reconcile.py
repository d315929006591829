from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import sandbox
from rag.documents import INDEX_ROW, MAX_CHUNKS, LeaseHeld
from rag.errors import DeadlineExceeded, Throttled, Unavailable
from rag.extract import extract
from rag.reconcile import Outcome
from rag.stores.store import StoreError
from tests.unit.rag.fakes import Crash, OpenSearchHttp, Services, service_error

KEY = "guides/a.md"
SECTION = "## Section {0}\n\nText of section {0} says {1}.\n\n"


def document(*contents: str) -> str:
    return "# Title\n\n" + "".join(SECTION.format(n, text) for n, text in enumerate(contents))


@pytest.fixture
def services() -> Services:
    return Services()


def reconcile(services: Services, content: str | bytes | None = None, key: str = KEY) -> Outcome:
    if content is not None:
        services.s3.objects[key] = content if isinstance(content, bytes) else content.encode()
    return services.reconciler().reconcile(key)


def row(services: Services, key: str = KEY) -> dict[str, Any]:
    return services.dynamodb.tables["documents"][key]


def version(services: Services) -> int:
    table = services.dynamodb.tables.get("documents", {})
    return int(table.get(INDEX_ROW, {}).get("version", {"N": "0"})["N"])


def test_a_document_becomes_searchable_chunks(services: Services) -> None:
    outcome = reconcile(services, document("one", "two"))
    assert outcome == Outcome("indexed", embedded=2, embedding_tokens=outcome.embedding_tokens)
    first, second = services.opensearch.documents.values()
    assert {key: value for key, value in first.items() if key != "embedding"} == {
        "document": KEY,
        "collection": "guides",
        "format": "markdown",
        "title": "Title",
        "section": "Title > Section 0",
        "text": "Text of section 0 says one.",
        "parts": "",
        "position": 0,
    }
    assert second["position"] == 1
    assert services.bedrock.embedded[0].startswith("Title > Section 0\n")
    assert row(services)["status"] == {"S": "indexed"}
    assert len(row(services)["chunks"]["L"]) == 2
    assert "lease" not in row(services)


def test_only_what_changed_is_embedded_and_written(services: Services) -> None:
    reconcile(services, document("one", "two", "three"))
    before = dict(services.opensearch.documents)
    outcome = reconcile(services, document("one", "changed", "three"))
    assert (outcome.embedded, outcome.unchanged, outcome.deleted) == (1, 2, 1)
    assert len(services.opensearch.documents) == 3
    assert len(before.keys() & services.opensearch.documents.keys()) == 2


def test_an_unchanged_object_costs_one_read_and_changes_nothing(services: Services) -> None:
    reconcile(services, document("one"))
    embedded, bumped = len(services.bedrock.embedded), version(services)
    services.world.log.clear()
    assert reconcile(services) == Outcome("unchanged")
    assert services.world.log == [f"dynamodb {KEY}", "s3", f"dynamodb {KEY}"]
    assert (len(services.bedrock.embedded), version(services)) == (embedded, bumped)


def test_the_same_content_uploaded_anew_is_not_embedded_again(services: Services) -> None:
    reconcile(services, document("one", "two"))
    outcome = reconcile(services, document("one", "two") + "\n")
    assert (outcome.status, outcome.embedded, version(services)) == ("unchanged", 0, 1)
    assert reconcile(services) == Outcome("unchanged")


def test_the_next_generation_takes_the_vectors_of_the_one_before(services: Services) -> None:
    reconcile(services, document("one", "two", "three"))
    services.s3.objects[KEY] = document("one", "changed", "three").encode()
    filled = OpenSearchHttp(services.world)
    services.bedrock.embedded.clear()
    outcome = services.next_generation(filled).reconcile(KEY)
    assert (outcome.embedded, outcome.reused) == (1, 2)
    (embedded,) = services.bedrock.embedded
    assert "changed" in embedded
    for id_ in filled.documents.keys() & services.opensearch.documents.keys():
        assert filled.documents[id_] == services.opensearch.documents[id_]
    assert len(filled.documents) == 3


@pytest.mark.parametrize("error", [StoreError(404, "gone"), Unavailable("asleep for ever")])
def test_a_generation_before_that_is_lost_stops_nothing(
    services: Services, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile(services, document("one"))
    services.opensearch.error = error
    pauses: list[float] = []
    monkeypatch.setattr("rag.reconcile.time.sleep", pauses.append)
    generation = services.next_generation()
    assert generation.reconcile(KEY).embedded == 1
    services.s3.objects["b.md"] = document("two").encode()
    assert generation.reconcile("b.md").embedded == 1
    assert sum(pauses) in (0, 30)


def test_what_a_row_of_another_epoch_says_is_not_trusted(services: Services) -> None:
    reconcile(services, document("one", "two"))
    services.opensearch.documents.clear()
    assert reconcile(services) == Outcome("unchanged")
    outcome = services.reconciler(epoch="after the loss").reconcile(KEY)
    assert (outcome.embedded, outcome.unchanged) == (2, 0)
    assert len(services.opensearch.documents) == 2
    assert services.reconciler(epoch="after the loss").reconcile(KEY) == Outcome("unchanged")


def test_a_rejection_that_is_known_is_not_reported_again(services: Services) -> None:
    services.s3.objects["picture.png"] = b"\x89PNG"
    assert services.reconciler().reconcile("picture.png").rejected
    again = services.reconciler().reconcile("picture.png")
    assert (again.status, again.rejected) == ("unchanged", True)
    services.next_generation().reconcile("picture.png", reported=again.rejected)
    assert len(services.sqs.messages) == 1


def test_a_deleted_object_takes_its_chunks_along(services: Services) -> None:
    reconcile(services, document("one", "two"))
    reconcile(services, document("other"), key="b.md")
    del services.s3.objects[KEY]
    assert reconcile(services) == Outcome("deleted", deleted=2)
    assert {d["document"] for d in services.opensearch.documents.values()} == {"b.md"}
    assert row(services)["status"] == {"S": "deleted"}
    assert reconcile(services) == Outcome("unchanged")


def test_text_that_stands_twice_is_one_chunk_at_its_first_place(services: Services) -> None:
    same = "## Same\n\nThe same words.\n\n"
    reconcile(services, f"# T\n\n{same}## Other\n\nOther words.\n\n{same}")
    places = {d["text"]: d["position"] for d in services.opensearch.documents.values()}
    assert places == {"The same words.": 0, "Other words.": 1}


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        ("picture.png", b"\x89PNG", "unsupported_type"),
        ("big.txt", b"x" * 1_000_001, "too_large"),
        ("latin.txt", b"caf\xe9", "encoding"),
        ("empty.md", b"", "empty"),
        ("broken.pdf", b"%PDF-1.7\n\x00\x01", "malformed"),
        ("odd \n'\"+%&?\u00fc\U0001f343.png", b"x", "unsupported_type"),
    ],
)
def test_a_document_that_cannot_be_indexed_is_reported_once_and_not_indexed(
    services: Services, key: str, content: bytes, reason: str
) -> None:
    assert reconcile(services, content, key).status == "rejected"
    (message,) = services.sqs.messages
    assert message["MessageAttributes"]["reason"]["StringValue"] == reason
    assert message["MessageAttributes"]["message"]["StringValue"].isprintable()
    assert json.loads(message["MessageBody"])["document"] == key
    assert services.opensearch.documents == {}
    assert row(services, key)["reason"]["S"].startswith(reason)
    assert reconcile(services, key=key) == Outcome("unchanged")
    assert len(services.sqs.messages) == 1


def test_a_document_of_more_chunks_than_a_row_can_list_is_rejected(services: Services) -> None:
    with patch("rag.reading.MAX_CHUNKS", 2):
        assert reconcile(services, document("one", "two")).status == "indexed"
        assert reconcile(services, document("one", "two", "three")).status == "rejected"


def test_a_row_with_the_most_chunks_twice_over_fits_into_dynamodb(services: Services) -> None:
    manifest = services.reconciler().manifest
    claimed = manifest.claim("k" * 1024)
    ids = [f"{n:020x}" for n in range(MAX_CHUNKS)]
    manifest.save(claimed, {"chunks": ids, "stale": ids, "title": "t" * 200})


def test_a_document_that_goes_bad_loses_its_chunks_and_gets_them_back(services: Services) -> None:
    reconcile(services, document("one"))
    assert reconcile(services, b"\xff\x00").deleted == 1
    assert services.opensearch.documents == {}
    assert reconcile(services, document("one")).embedded == 1
    assert "reason" not in row(services)


@pytest.mark.parametrize(
    "error",
    [service_error("ThrottlingException", 429), service_error("ServiceUnavailableException", 503)],
)
def test_trouble_that_passes_is_raised_and_frees_the_lease(
    services: Services, error: Exception
) -> None:
    services.bedrock.error = error
    with pytest.raises(Unavailable):
        reconcile(services, document("one"))
    services.bedrock.error = None
    assert reconcile(services).status == "indexed"


def test_a_second_writer_waits_until_the_first_one_shows_no_life(services: Services) -> None:
    manifest = services.reconciler().manifest
    held = manifest.claim(KEY)
    services.world.now += 50
    manifest.renew(held)
    services.world.now += 50
    with pytest.raises(LeaseHeld):
        reconcile(services, document("one"))
    services.world.now += 11
    assert reconcile(services).status == "indexed"
    for late in (manifest.renew, lambda row: manifest.save(row, {"etag": "late"})):
        with pytest.raises(LeaseHeld):
            late(held)


def test_a_writer_that_wakes_after_another_took_over_changes_nothing(services: Services) -> None:
    services.s3.objects[KEY] = document("old").encode()
    embed = services.bedrock.invoke_model

    def frozen(**call: Any) -> dict[str, Any]:
        services.bedrock.invoke_model = embed  # type: ignore[method-assign]
        services.world.now += 100
        services.s3.objects[KEY] = document("new").encode()
        assert reconcile(services).status == "indexed"
        return embed(**call)

    services.bedrock.invoke_model = frozen  # type: ignore[method-assign]
    with pytest.raises(LeaseHeld):
        reconcile(services)
    assert [d["text"] for d in services.opensearch.documents.values()] == [
        "Text of section 0 says new."
    ]


def test_a_document_over_which_many_functions_die_is_rejected(services: Services) -> None:
    services.s3.objects[KEY] = document("one").encode()
    manifest = services.reconciler().manifest
    for _ in range(10):
        manifest.claim(KEY)
        services.world.now += 100
    assert reconcile(services).status == "rejected"
    assert len(services.sqs.messages) == 1
    assert reconcile(services, document("two")).status == "indexed"


def test_a_call_of_the_model_that_times_out_is_made_again(services: Services) -> None:
    embed, errors = services.bedrock.invoke_model, [408, 503, 429]

    def moody(**call: Any) -> dict[str, Any]:
        if errors:
            raise service_error("ModelTimeoutException", errors.pop())
        return embed(**call)

    services.bedrock.invoke_model = moody  # type: ignore[method-assign]
    assert reconcile(services, document("one")).embedded == 1
    errors[:] = [408] * 4
    with pytest.raises(DeadlineExceeded):
        reconcile(services, document("two"))


@pytest.mark.parametrize(("is_serverless", "expected"), [(False, 0), (True, 12)])
def test_a_change_is_noted_with_the_time_when_searches_see_it(
    services: Services, is_serverless: bool, expected: int
) -> None:
    services.opensearch.is_serverless = is_serverless
    assert reconcile(services, document("one")).status == "indexed"
    index = services.dynamodb.tables["documents"][INDEX_ROW]
    assert int(index["visible_at"]["N"]) == services.world.now + expected
    log = services.world.log
    assert (
        log.index("opensearch _bulk")
        < log.index("opensearch _refresh")
        < log.index(f"dynamodb {INDEX_ROW}")
    )


CONTENTS = st.sampled_from(
    [document("one"), document("two"), document("one", "two"), "\x00 binary", None]
)
EVENTS = st.sampled_from(["nothing", "crash", "fail", "change", "other writer"])


@settings(max_examples=120)
@given(st.lists(st.tuples(CONTENTS, EVENTS, st.integers(1, 12), CONTENTS), max_size=6))
def test_whatever_happens_the_index_ends_as_the_object_is(
    steps: list[tuple[str | None, str, int, str | None]],
) -> None:
    services, contents = Services(), dict[str, str | None]()
    reconcile(services, document("neighbour"), key="b.md")
    neighbour = dict(services.opensearch.documents)

    def put(content: str | None) -> None:
        contents[KEY] = content
        services.s3.objects.pop(KEY, None)
        if content is not None:
            services.s3.objects[KEY] = content.encode()

    with patch.object(sandbox, "run", lambda function, *args, **limits: function(*args)):
        for content, event, at, change in steps:
            put(content)
            with Interrupted(services, at, event, partial(put, change)):
                deliver(services)
        services.world.now += 1000
        deliver(services)

    final = contents.get(KEY)
    expected = set()
    if final is not None and "\x00" not in final:
        expected = {block.text for block in extract(KEY, final.encode()).blocks}
    left = {i: d for i, d in services.opensearch.documents.items() if d["document"] == KEY}
    assert {d["text"] for d in left.values()} == expected
    assert {item["S"] for item in row(services)["chunks"]["L"]} == left.keys()
    assert not {"pending", "stale", "lease"} & row(services).keys()
    assert neighbour.items() <= services.opensearch.documents.items()
    log = services.world.log
    assert "opensearch _bulk" not in log[len(log) - log[::-1].index(f"dynamodb {INDEX_ROW}") :]


def deliver(services: Services) -> None:
    try:
        reconcile(services)
    except (Crash, Unavailable, StoreError):
        services.world.now += 1000  # the message comes again, later


class Interrupted:
    """Let something happen at the n-th call to a service from now on."""

    def __init__(self, services: Services, at: int, event: str, change: Callable[[], None]) -> None:
        self.world, self.at = services.world, services.world.calls + at
        self.events: dict[str, Callable[[], None]] = {
            "crash": self.crash,
            "fail": self.fail,
            "change": change,
            "nothing": lambda: None,
            "other writer": lambda: self.other_writer(services),
        }
        self.event = event

    def __enter__(self) -> None:
        self.world.before[self.at] = self.events[self.event]

    def __exit__(self, *_: object) -> None:
        self.world.before.clear()

    def crash(self) -> None:
        self.world.before[self.world.calls + 1] = self.crash  # the dead do not call again
        raise Crash

    def fail(self) -> None:
        raise Throttled("busy")

    def other_writer(self, services: Services) -> None:
        try:
            reconcile(services)
        except LeaseHeld:
            return
