"""OpenSearch as the knowledge store: the documents of the index, and the search request.

Both searches of a question travel in one `_msearch`; they are fused in `retrieval`, the same way
on a serverless collection, a domain and a laptop, without a search pipeline to keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag import unicode_text
from rag.embedding import Vector
from rag.errors import Unavailable
from rag.stores.signed import SignedHttp
from rag.stores.store import Found, Passage, StoreError, refusal

# A NextGen collection refreshes every ten seconds; two more for clocks that disagree.
_REFRESH_S = 12
_BULK_BYTES = 4_000_000
_READ_BACK = 100
"""Vectors in one answer: 1,024 numbers as text are 20 KB."""
_OVERSAMPLE = 2.0
"""Candidates for each result; OpenSearch's own for 32-fold compression, and at least 100."""

_SOURCE = ["document", "title", "section", "text"]


@dataclass(frozen=True, slots=True)
class OpenSearch:
    """An index on a serverless collection, on a domain or on a laptop."""

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
        """Find the best `candidates` by words and by meaning that match the filters."""
        where = [{"terms": {field: list(values)}} for field, values in filters.items()]
        words = {
            "multi_match": {
                "query": question,
                "fields": ["text", "section^0.5", "parts^0.5"],  # by the golden set: not 1, not 2
                "type": "most_fields",
            }
        }
        # The index holds one bit of each number. What it finds is scored again with whole vectors,
        # so that a score is an exact cosine; nothing but this asks a serverless index to do so.
        nearest: dict[str, Any] = {
            "vector": vector,
            "k": candidates,
            "rescore": {"oversample_factor": _OVERSAMPLE},
        }
        if where:
            nearest["filter"] = {"bool": {"filter": where}}
        queries: list[dict[str, Any]] = [
            {"bool": {"must": [words], "filter": where}},
            {"knn": {"embedding": nearest}},
        ]
        searches = [{"size": candidates, "_source": _SOURCE, "query": query} for query in queries]
        lexical, semantic = self._search(searches, seconds)
        return Found(
            lexical=[_passage(hit) for hit in lexical],
            semantic=[_passage(hit) for hit in semantic],
            similarity=max((cosine(hit["_score"]) for hit in semantic), default=-1.0),
        )

    def write(self, chunks: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Index chunks by id. Writing the same chunk again changes nothing."""
        self._bulk(
            [{"index": {"_id": id_}}, {**source, "parts": _parts(source)}] for id_, source in chunks
        )

    def delete(self, ids: Iterable[str]) -> None:
        """Delete chunks by id. Missing chunks are no error."""
        self._bulk([{"delete": {"_id": id_}}] for id_ in ids)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors of those chunks that are there, by id."""
        searches = [
            {
                "size": _READ_BACK,
                "_source": ["embedding"],
                "query": {"ids": {"values": list(ids[at : at + _READ_BACK])}},
            }
            for at in range(0, len(ids), _READ_BACK)
        ]
        found = self._search(searches, None) if searches else []
        return {hit["_id"]: hit["_source"]["embedding"] for hits in found for hit in hits}

    def count(self) -> int:
        """Tell how many chunks searches see."""
        return int(self.http.request("POST", f"/{self.index}/_count")["count"])

    def make_visible(self) -> float:
        """Make writes visible to searches. Returns the seconds until they are visible."""
        try:
            self.http.request("POST", f"/{self.index}/_refresh")
        except StoreError:  # OpenSearch Serverless has no such operation: it does so itself
            return _REFRESH_S
        return 0

    def _search(
        self, searches: Iterable[Mapping[str, Any]], seconds: float | None
    ) -> list[list[dict[str, Any]]]:
        """Send searches in one request; return the hits of each."""
        lines = _ndjson(line for search in searches for line in ({}, search))
        path = f"/{self.index}/_msearch"
        answer = self.http.request("POST", path, lines, lines=True, seconds=seconds)
        return [_hits(response) for response in answer["responses"]]

    def _bulk(self, actions: Iterable[list[Any]]) -> None:
        batch = ""
        for action in actions:
            lines = _ndjson(action)
            if batch and len(batch) + len(lines) > _BULK_BYTES:
                self._send(batch)
                batch = ""
            batch += lines
        if batch:
            self._send(batch)

    def _send(self, batch: str) -> None:
        answer = self.http.request("POST", f"/{self.index}/_bulk", batch, lines=True)
        for item in answer["items"]:
            (result,) = item.values()
            status = result["status"]
            if status == 429 or status >= 500:
                raise Unavailable(f"knowledge store: status {status} for a chunk")
            if status >= 400 and "error" in result:
                raise refusal(status, result["error"]["type"])


def cosine(score: float) -> float:
    """Return the inner product of unit vectors from a k-NN score in space `innerproduct`.

    OpenSearch scores it 1 + x for x ≥ 0 and 1 / (1 - x) below, so that no score is negative.
    """
    return score - 1 if score >= 1 else 1 - 1 / score


def _ndjson(lines: Iterable[Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _hits(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    status = response.get("status", 200)
    if status == 429 or status >= 500:
        raise Unavailable(f"knowledge store: status {status} for a search")
    if "error" in response:
        raise refusal(status, response["error"]["type"])
    return list(response["hits"]["hits"])


def _parts(source: Mapping[str, Any]) -> str:
    return unicode_text.parts(f"{source.get('section', '')} {source.get('text', '')}")


def _passage(hit: Mapping[str, Any]) -> Passage:
    found = {field: hit["_source"][field] for field in _SOURCE}
    return Passage(id=hit["_id"], score=hit["_score"], **found)
