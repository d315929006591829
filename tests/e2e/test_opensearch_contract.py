"""Our queries, held against the real OpenSearch: what is sent, and what is read from answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
import urllib3

from local.embedded import EmbeddedAws
from rag.stores.opensearch import OpenSearch
from rag.stores.signed import SignedHttp
from rag.stores.store import StoreError
from stacks.stores.domain import domain_index
from sustainability.deployment.schema import Deployment
from tests.e2e.conftest import LOCAL

Vector = list[float]


def unit(seed: int, towards: Vector | None = None) -> Vector:
    """Return a random unit vector, near to another one if that is given."""
    draw = random.Random(seed)
    vector = [draw.gauss(0, 1) for _ in range(256)]
    if towards:
        vector = [10 * near + 0.1 * noise for near, noise in zip(towards, vector, strict=True)]
    length = math.hypot(*vector)
    return [number / length for number in vector]


def passage(key: str, text: str, vector: Vector) -> dict[str, object]:
    return {
        "document": key,
        "collection": key.partition("/")[0],
        "format": "text",
        "title": key,
        "section": "",
        "text": text,
        "position": 0,
        "embedding": vector,
    }


NORTH, SOUTH = unit(1), unit(2)


@pytest.fixture(scope="module")
def knowledge(embedded: EmbeddedAws) -> Iterator[OpenSearch]:
    url = embedded.running()["opensearch"].url
    body = domain_index(Deployment.load(LOCAL), replicas=0)
    made = urllib3.request("PUT", f"{url}/contract", json=body)
    assert made.status == 200, made.data
    store = OpenSearch(SignedHttp(url, "es", timeout_s=10), "contract")
    store.write(
        [
            ("a1", passage("one/a.txt", "The otter sleeps in the reeds.", unit(3, NORTH))),
            ("a2", passage("one/a.txt", "The heron waits for frogs.", SOUTH)),
            ("b1", passage("two/b.txt", "Otters were sleeping everywhere.", unit(4, NORTH))),
        ]
    )
    store.make_visible()
    yield store
    urllib3.request("DELETE", f"{url}/contract")


def test_words_and_vectors_are_searched_in_one_request(knowledge: OpenSearch) -> None:
    found = knowledge.search("sleeping otter", NORTH, {}, candidates=2)
    assert {hit.id for hit in found.lexical} == {"a1", "b1"}
    assert {hit.id for hit in found.semantic} == {"a1", "b1"}
    assert found.lexical[0].text.startswith(("The otter", "Otters"))


def test_a_score_is_read_as_the_cosine_that_it_is(knowledge: OpenSearch) -> None:
    for vector in (NORTH, SOUTH, [-number for number in SOUTH]):
        candidates = [unit(3, NORTH), SOUTH, unit(4, NORTH)]
        best = max(sum(a * b for a, b in zip(vector, other, strict=True)) for other in candidates)
        found = knowledge.search("nothing", vector, {}, candidates=3)
        # Compressed 32 times and rescored with the full vectors.
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
    knowledge: OpenSearch, filters: dict[str, list[str]], ids: set[str]
) -> None:
    found = knowledge.search("otter heron frogs sleeping", NORTH, filters, candidates=5)
    assert {hit.id for hit in found.semantic} == ids
    assert {hit.id for hit in found.lexical} <= ids


def test_a_field_that_the_mapping_does_not_know_is_refused(knowledge: OpenSearch) -> None:
    with pytest.raises(StoreError, match="strict_dynamic_mapping_exception"):
        knowledge.write([("c1", {**passage("c", "text", NORTH), "owner": "nobody"})])


def test_deleting_twice_is_deleting_once(knowledge: OpenSearch) -> None:
    knowledge.write([("d1", passage("d/d.txt", "A short life.", SOUTH))])
    for _ in range(2):
        knowledge.delete(["d1"])
    knowledge.make_visible()
    found = knowledge.search("short life", SOUTH, {"document": ["d/d.txt"]}, candidates=1)
    assert found.lexical == found.semantic == []
