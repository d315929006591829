"""What every knowledge store keeps to: the same results for the same calls."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from local.embedded import EmbeddedAws
from rag.errors import Unavailable
from rag.settings import KnowledgeSettings
from rag.stores.kinds import open_store
from rag.stores.store import KnowledgeStore, StoreError
from sustainability.deployment.schema import Deployment
from tests.e2e.conftest import LOCAL
from tests.e2e.store_kinds import KINDS, empty_index

Vector = list[float]


def unit(seed: int, towards: Vector | None = None) -> Vector:
    """Return a random unit vector, near to another one if that is given."""
    draw = random.Random(seed)
    vector = [draw.gauss(0, 1) for _ in range(512)]
    if towards:
        vector = [10 * near + 0.1 * noise for near, noise in zip(towards, vector, strict=True)]
    length = math.hypot(*vector)
    return [number / length for number in vector]


def passage(key: str, text: str, vector: Vector, section: str = "") -> dict[str, Any]:
    return {
        "document": key,
        "collection": key.partition("/")[0],
        "format": "text",
        "title": key,
        "section": section,
        "text": text,
        "position": 0,
        "embedding": vector,
    }


NORTH, SOUTH = unit(1), unit(2)
DOCUMENT = {"document": ["d/d.txt"]}


@pytest.fixture(scope="module", params=KINDS.values())
def index(request: pytest.FixtureRequest, embedded: EmbeddedAws) -> Iterator[KnowledgeSettings]:
    """Yield an empty index of each store."""
    with empty_index(embedded, request.param, "contract", Deployment.load(LOCAL)) as made:
        yield made


@pytest.fixture(scope="module")
def store(index: KnowledgeSettings) -> KnowledgeStore:
    """Return a store that holds three passages; it was asked while it was empty."""
    store = open_store(index, timeout_s=30)
    nothing = store.search("otter", NORTH, {}, candidates=5)
    assert nothing.lexical == nothing.semantic == []
    assert nothing.similarity == -1
    store.write(
        [
            ("a1", passage("one/a.txt", "The otter sleeps in the reeds.", unit(3, NORTH))),
            ("a2", passage("one/a.txt", "The heron waits for frogs.", SOUTH)),
            ("b1", passage("two/b.txt", "Otters were sleeping everywhere.", unit(4, NORTH))),
        ]
    )
    store.make_visible()
    return store


def test_a_search_ranks_by_words_and_by_vectors(store: KnowledgeStore) -> None:
    found = store.search("sleeping otter", NORTH, {}, candidates=2)
    assert {hit.id for hit in found.lexical} == {"a1", "b1"}
    assert {hit.id for hit in found.semantic} == {"a1", "b1"}
    # The fusion compares the scores: without them, a first hit is worth as much as a last one.
    for hits in (found.lexical, found.semantic):
        assert hits[0].score > hits[1].score
    assert found.lexical[0].text.startswith(("The otter", "Otters"))


def test_the_similarity_is_the_cosine_of_the_nearest(store: KnowledgeStore) -> None:
    for vector in (NORTH, SOUTH, [-number for number in SOUTH]):
        candidates = [unit(3, NORTH), SOUTH, unit(4, NORTH)]
        best = max(sum(a * b for a, b in zip(vector, other, strict=True)) for other in candidates)
        found = store.search("nothing", vector, {}, candidates=3)
        # OpenSearch compresses 32 times and scores again with the full vectors.
        assert found.similarity == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"collection": ["two"]}, {"b1"}),
        ({"document": ["one/a.txt", "two/b.txt"], "format": ["text"]}, {"a1", "a2", "b1"}),
        ({"collection": ["three"]}, set()),
    ],
)
def test_filters_hold_for_both_searches(
    store: KnowledgeStore, filters: dict[str, list[str]], ids: set[str]
) -> None:
    found = store.search("otter heron frogs sleeping", NORTH, filters, candidates=5)
    assert {hit.id for hit in found.semantic} == ids
    assert {hit.id for hit in found.lexical} <= ids


def test_vectors_come_back_for_the_next_generation(store: KnowledgeStore) -> None:
    many = [unit(seed) for seed in range(100, 350)]
    chunks = [(f"v{n}", passage("v/v.txt", "Text.", vector)) for n, vector in enumerate(many)]
    store.write(chunks)
    store.make_visible()
    counted = store.count()
    found = store.vectors([*(id_ for id_, _ in chunks), "never-written"])
    assert found.keys() == {id_ for id_, _ in chunks}
    for n, vector in enumerate(many):
        assert found[f"v{n}"] == pytest.approx(vector, abs=1e-6), "as exact as it was written"
    store.delete(id_ for id_, _ in chunks)
    store.make_visible()
    assert store.vectors(["v0"]) == store.vectors([]) == {}
    assert store.count() == counted - len(many)


def test_writing_twice_and_deleting_twice_are_as_once(store: KnowledgeStore) -> None:
    short = [("d1", passage("d/d.txt", "A short life.", SOUTH))]
    for _ in range(2):
        store.write(short)
    store.make_visible()
    assert [hit.id for hit in store.search("short life", SOUTH, DOCUMENT, 5).semantic] == ["d1"]
    for _ in range(2):
        store.delete(["d1"])
    store.make_visible()
    found = store.search("short life", SOUTH, DOCUMENT, candidates=1)
    assert found.lexical == found.semantic == []


def test_text_of_any_language_comes_back_as_it_was(store: KnowledgeStore) -> None:
    text, key = (
        'Größe: 10² → 日本語の文章、\U0001f9a6\u200d “quoted” \\ "plain"\n\tend',
        "ü/ß 文.txt",
    )
    store.write([("u1", passage(key, text, unit(9), section="Überschrift > 章"))])
    store.make_visible()
    (hit,) = store.search("日本語の文章", unit(9), {"document": [key]}, candidates=3).lexical
    assert (hit.text, hit.section, hit.document) == (text, "Überschrift > 章", key)
    store.delete(["u1"])


def test_ten_thousand_passages_are_written_searched_and_deleted(store: KnowledgeStore) -> None:
    needle = unit(20_000)
    many = [(f"m{n}", passage("many/m.txt", f"Passage number {n}.", unit(n))) for n in range(9_999)]
    store.write([*many, ("needle", passage("many/m.txt", "The needle itself.", needle))])
    store.make_visible()
    found = store.search("needle", needle, {"collection": ["many"]}, candidates=20)
    assert store.count() >= 10_000
    assert found.semantic[0].id == found.lexical[0].id == "needle"
    assert len(found.semantic) == 20
    store.delete(["needle", *(id_ for id_, _ in many)])
    store.make_visible()
    assert store.search("needle", needle, {"collection": ["many"]}, candidates=20).semantic == []


def test_a_vector_of_another_length_is_refused(store: KnowledgeStore) -> None:
    with pytest.raises(StoreError):
        store.write([("x", passage("x", "text", [1.0, 0.0]))])


def test_an_index_that_is_not_there_is_an_error_and_no_empty_answer(
    index: KnowledgeSettings,
) -> None:
    gone = replace(index, index=f"{index.index}-gone")
    with pytest.raises(StoreError):
        open_store(gone, timeout_s=30).search("otter", NORTH, {}, candidates=1)


def test_a_store_that_cannot_be_reached_is_unavailable(
    index: KnowledgeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3VECTORS", nowhere)
    away = replace(index, endpoint=nowhere)
    with pytest.raises(Unavailable):
        open_store(away, timeout_s=5).search("otter", NORTH, {}, candidates=1)
