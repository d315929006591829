"""Amazon S3 Vectors as the knowledge store: no capacity runs between questions.

A search asks for the nearest passages with their text and ranks them by words here. The service
has a text search of its own since autumn 2026; `docs/stores.md` says what is missing to use it.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_S3_Vectors.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag import unicode_text
from rag.embedding import Vector
from rag.stores.signed import SignedHttp
from rag.stores.store import Found, Passage
from rag.stores.words import bm25

_NEAREST = 100
"""One page of a query; more changes little."""
_BATCH = 500
"""Vectors in a call, by the service's limits."""
_READ_BACK, _LISTED = 100, 1000
"""Vectors that one call reads, and lists."""
_PAYLOAD_BYTES = 15_000_000
"""The service accepts 20 MiB in one call."""
_SHOWN = ("document", "title", "section", "text")


@dataclass(frozen=True, slots=True)
class S3Vectors:
    """An index of a vector bucket, named by its ARN."""

    http: SignedHttp
    index: str

    def search(
        self,
        question: str,
        vector: Vector,
        filters: Mapping[str, Sequence[str]],
        candidates: int,
        *,
        seconds: float | None = None,
    ) -> Found:
        """Find the best `candidates` by words and by meaning that match the filters.

        Words are compared only in the nearest 100 passages.
        """
        where = [{field: {"$in": list(values)}} for field, values in filters.items()]
        request: dict[str, Any] = {
            "queryVector": {"float32": vector},
            "topK": _NEAREST,
            "returnDistance": True,
            "returnMetadata": True,
        }
        if where:
            request["filter"] = where[0] if len(where) == 1 else {"$and": where}
        hits = self._call("QueryVectors", request, seconds)["vectors"]
        passages = [
            Passage(
                id=hit["key"],
                score=1 - hit["distance"],
                **{field: hit["metadata"][field] for field in _SHOWN},
            )
            for hit in hits
        ]
        by_words = [
            replace(passage, score=score)
            for passage, score in zip(passages, _by_words(question, passages), strict=True)
            if score
        ]
        return Found(
            lexical=sorted(by_words, key=lambda passage: -passage.score)[:candidates],
            semantic=passages[:candidates],
            similarity=1 - hits[0]["distance"] if hits else -1.0,
        )

    def write(self, chunks: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Index chunks by id. Writing the same chunk again changes nothing."""
        for batch in _batches(map(_as_vector, chunks)):
            self._send("PutVectors", f'"vectors": [{", ".join(batch)}]')

    def delete(self, ids: Iterable[str]) -> None:
        """Delete chunks by id. Missing chunks are no error."""
        for batch in _batches(map(json.dumps, ids)):
            self._send("DeleteVectors", f'"keys": [{", ".join(batch)}]')

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors of those chunks that are there, by id."""
        found: dict[str, Vector] = {}
        for at in range(0, len(ids), _READ_BACK):
            request = {"keys": list(ids[at : at + _READ_BACK]), "returnData": True}
            answer = self._call("GetVectors", request)
            found |= {each["key"]: each["data"]["float32"] for each in answer["vectors"]}
        return found

    def count(self) -> int:
        """Tell how many chunks there are, by listing their keys: the service counts none."""
        count, token = 0, None
        while True:
            request: dict[str, Any] = {"maxResults": _LISTED}
            if token:
                request["nextToken"] = token
            page = self._call("ListVectors", request)
            count, token = count + len(page["vectors"]), page.get("nextToken")
            if not token:
                return count

    def make_visible(self) -> float:
        """Do nothing: the next search sees what was written before it."""
        return 0

    def _call(
        self, operation: str, request: Mapping[str, Any], seconds: float | None = None
    ) -> Any:
        body = json.dumps({"indexArn": self.index, **request})
        return self.http.request("POST", f"/{operation}", body, seconds=seconds)

    def _send(self, operation: str, members: str) -> None:
        self.http.request(
            "POST", f"/{operation}", f'{{"indexArn": {json.dumps(self.index)}, {members}}}'
        )


def _by_words(question: str, passages: Sequence[Passage]) -> list[float]:
    """Score passages as OpenSearch does, which adds the scores of the fields."""
    text = bm25(question, [passage.text for passage in passages])
    section = bm25(question, [passage.section for passage in passages])
    parts = bm25(question, [unicode_text.parts(f"{p.section} {p.text}") for p in passages])
    return [
        in_text + 0.5 * (in_section + in_parts)
        for in_text, in_section, in_parts in zip(text, section, parts, strict=True)
    ]


def _as_vector(chunk: tuple[str, Mapping[str, Any]]) -> str:
    id_, source = chunk
    metadata = {field: value for field, value in source.items() if field != "embedding"}
    data = {"float32": source["embedding"]}
    return json.dumps({"key": id_, "data": data, "metadata": metadata})


def _batches(items: Iterator[str]) -> Iterator[list[str]]:
    """Split encoded items into calls of a size that the service accepts."""
    batch: list[str] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _BATCH or size + len(item) > _PAYLOAD_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    if batch:
        yield batch
