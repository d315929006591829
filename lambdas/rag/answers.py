"""Answers that were given before, and the index version they rest on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rag.clients import translated
from rag.documents import INDEX_ROW

Answer = dict[str, Any]

_EMPTY_INDEX = {"version": {"N": "0"}, "visible_at": {"N": "0"}}


@dataclass(frozen=True, slots=True)
class Lookup:
    """A cached answer, if a current one is there, and the index version to store a new one with.

    `version` is None when the index changed so recently that a search may still miss the change:
    an answer from it must not be reused.
    """

    answer: Answer | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers table (partition key `id`, TTL attribute `expires_at`).

    Of the documents table only the row with the index version is read.
    """

    client: Any
    table: str
    documents_table: str
    keep_hours: float
    clock: Callable[[], float] = time.time

    def look_up(self, id_: str) -> Lookup:
        """Read an answer together with the index version, in one request."""
        wanted = {
            self.table: {"Keys": [{"id": {"S": id_}}]},
            self.documents_table: {"Keys": [{"document": {"S": INDEX_ROW}}]},
        }
        with translated("answers table"):
            found = self.client.batch_get_item(RequestItems=wanted)
        if found.get("UnprocessedKeys"):  # without both there is nothing to compare
            return Lookup(None, None)
        (index,) = found["Responses"].get(self.documents_table) or [_EMPTY_INDEX]
        version = int(index["version"]["N"])
        for row in found["Responses"].get(self.table, ()):
            if row.get("version") == index["version"] and self._is_alive(row):
                return Lookup(json.loads(row["answer"]["S"]), version)
        is_visible = self.clock() >= int(index["visible_at"]["N"])
        return Lookup(None, version if is_visible else None)

    def get(self, id_: str) -> Answer | None:
        """Return a stored answer, whatever became of the index since."""
        with translated("answers table"):
            row = self.client.get_item(TableName=self.table, Key={"id": {"S": id_}}).get("Item")
        return json.loads(row["answer"]["S"]) if row and self._is_alive(row) else None

    def put(self, answer: Answer, version: int | None) -> None:
        """Store an answer. Without a version it can be fetched by id, but is not reused."""
        row = {
            "id": {"S": answer["id"]},
            "answer": {"S": json.dumps(answer)},
            "expires_at": {"N": str(int(self.clock() + self.keep_hours * 3600))},
        }
        if version is not None:
            row["version"] = {"N": str(version)}
        with translated("answers table"):
            self.client.put_item(TableName=self.table, Item=row)

    def _is_alive(self, row: Mapping[str, Any]) -> bool:
        """DynamoDB deletes expired rows in its own time, up to days later."""
        return int(row["expires_at"]["N"]) > self.clock()
