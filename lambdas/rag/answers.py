"""Stored and pending answers, and the index version that they are based on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from rag.clients import translated
from rag.deferral import Place
from rag.documents import INDEX_ROW
from rag.errors import Indexing, Unavailable

Answer = dict[str, Any]

_INDEXING_S = 30
"""When to ask again while the documents are being indexed."""
_NEVER_CHANGED = {"N": "0"}
_TAKEN = frozenset({"AccessDeniedException", "ResourceNotFoundException"})
"""What DynamoDB says of a table that may not be read any more, or is gone."""
_UNTOUCHED = "#asked_at = :seen"
_KEPT_S = 7 * 24 * 3600
"""How long after its deadline an answer can be fetched; the mailbox keeps it at least as long."""


LAST_OF_STORE, LAST_OF_ENDPOINT = "#last-search", "#last-answer-of-endpoint"
"""What sleeps, as its row notes when it was last used."""
_CLAIM_KEPT_S = 3600
"""When DynamoDB may delete a claim: long after it has ended."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of an answer that are known before the generator answers, as JSON values.

    `evidence` has the passages whole, in the order of the citations. `version` is the index
    version to store the answer with.
    """

    id: str
    question: str
    citations: list[dict[str, Any]]
    evidence: list[str]
    prompt_version: str
    embedding_tokens: int
    version: int | None
    awake_s: float = 0

    @property
    def read(self) -> str:
        """64 hex digits: equal if the model would read the same passages of the same documents."""
        return hashlib.sha256(json.dumps([self.citations, self.evidence]).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A pending answer. `place` is None until the prompt is handed over.

    `asked_at` and `expected_by` are whole seconds since the epoch.
    """

    draft: Draft
    ticket: str
    asked_at: int
    expected_by: int
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer that is kept, and what the model read for it, as `Draft.read` tells it."""

    answer: Answer
    read: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """The cached answer, if it is current, and the index version for a new answer.

    `table` is the documents table of the generation of the index that answers. `earlier` is an
    answer from before the last change, which may have changed other documents only.
    `version` is None when the index changed so recently that a search may still miss the change:
    an answer from it is reused only after another search. `pending` may rest on an older index.
    """

    table: str
    answer: Answer | None
    version: int | None
    pending: Pending | None = None
    earlier: Earlier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers table (partition key `id`, TTL attribute `expires_at`).

    Of the documents tables only the row of the index is read.
    """

    client: Any
    table: str
    keep_hours: float
    clock: Callable[[], float] = time.time

    def look_up(self, ids: Mapping[str, str]) -> Lookup:
        """Read the answer of the generation that answers, and its version, in one request.

        `ids` has the answer's id in each generation by its documents table, the newest first. The
        newest that is complete answers. Raises `Indexing` if none is.
        """
        from botocore.exceptions import ClientError

        try:
            found = self._read(ids)
        except ClientError as error:
            # The last part of a move takes the right to read the oldest table, and then the table,
            # before each copy of this function has the settings that name it no more.
            if len(ids) == 1 or error.response["Error"]["Code"] not in _TAKEN:
                raise
            return self.look_up(dict(list(ids.items())[:-1]))
        if found.get("UnprocessedKeys"):  # without all there is nothing to compare
            raise Unavailable("answers table: not all rows could be read", retry_after_s=1)
        now, rows = self.clock(), found["Responses"]
        for table, id_ in ids.items():
            for index in rows.get(table, ()):
                if "complete" in index and int(index["complete"]["N"]) <= now:
                    kept = [row for row in rows.get(self.table, ()) if row["id"]["S"] == id_]
                    return self._lookup(table, index, kept)
        raise Indexing("the documents are being indexed", retry_after_s=_INDEXING_S)

    def _read(self, ids: Mapping[str, str]) -> Mapping[str, Any]:
        wanted = {table: {"Keys": [{"document": {"S": INDEX_ROW}}]} for table in ids}
        wanted[self.table] = {"Keys": [{"id": {"S": id_}} for id_ in ids.values()]}
        with translated("answers table"):
            found: Mapping[str, Any] = self.client.batch_get_item(RequestItems=wanted)
        return found

    def _lookup(
        self, table: str, index: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
    ) -> Lookup:
        current = index.get("version", _NEVER_CHANGED)
        version = int(current["N"])
        pending, earlier = None, None
        for row in rows:
            if "answer" not in row:
                pending = _pending(row)
            elif self._is_alive(row):
                answer = json.loads(row["answer"]["S"])
                if row.get("version") == current:
                    return Lookup(table, answer, version)
                if "read" in row:  # rows of older releases have none
                    earlier = Earlier(answer, row["read"]["S"])
        is_visible = self.clock() >= int(index.get("visible_at", _NEVER_CHANGED)["N"])
        return Lookup(table, None, version if is_visible else None, pending, earlier)

    def get(self, id_: str) -> Answer | Pending | None:
        """Return a stored or pending answer, even if the index has changed since."""
        with translated("answers table"):
            row = self.client.get_item(
                TableName=self.table, Key={"id": {"S": id_}}, ConsistentRead=True
            ).get("Item")
        if not row or not self._is_alive(row):
            return None
        return json.loads(row["answer"]["S"]) if "answer" in row else _pending(row)

    def put(self, answer: Answer, draft: Draft) -> None:
        """Store the answer to a draft.

        Without a version it can be fetched by id, and is reused only if a search finds the same.
        """
        with translated("answers table"):
            self.client.put_item(TableName=self.table, Item=self._row(answer, draft))

    def confirm(self, draft: Draft) -> None:
        """Note that the stored answer is the answer to this draft too. It expires as before."""
        if draft.version is None:
            return
        with translated("answers table"), suppress(self._changed_meanwhile):
            self.client.update_item(
                TableName=self.table,
                Key={"id": {"S": draft.id}},
                UpdateExpression="SET #version = :version",
                ConditionExpression="#read = :read",
                ExpressionAttributeNames={"#version": "version", "#read": "read"},
                ExpressionAttributeValues={
                    ":version": {"N": str(draft.version)},
                    ":read": {"S": draft.read},
                },
            )

    def kept_awake_s(self, what: str, rests_after_s: float) -> float:
        """Note a use of the store or the endpoint; return for how many seconds it keeps it awake.

        What rests `rests_after_s` after a request runs longer by the time since the use before, or
        by all of it if it was asleep. Returns all of it as well where nobody knows.
        """
        now = self.clock()
        with suppress(Exception), translated("answers table"):
            before = self.client.update_item(
                TableName=self.table,
                Key={"id": {"S": what}},
                UpdateExpression="SET #asked_at = :now",
                ExpressionAttributeNames={"#asked_at": "asked_at"},
                ExpressionAttributeValues={":now": {"N": str(now)}},
                ReturnValues="UPDATED_OLD",
            ).get("Attributes")
            if before:
                return min(max(now - float(before["asked_at"]["N"]), 0), rests_after_s)
        return rests_after_s

    def claim(self, id_: str, version: int, *, seconds: float) -> bool:
        """Claim the right to write an answer for so long. Returns False if another caller has it.

        A claim is for one version of the index: another version can have another answer.
        """
        now = int(self.clock())
        return self._put_if(
            "attribute_not_exists(#asked_at) OR #asked_at < :seen",
            now,
            self._claim_row(id_, version, until=now + int(seconds) + 1),
        )

    def give_up(self, id_: str, version: int) -> None:
        """Release the claim, so that a waiting caller can write the answer."""
        with translated("answers table"):
            self.client.put_item(TableName=self.table, Item=self._claim_row(id_, version, until=0))

    def announce(self, pending: Pending, *, instead_of: Pending | None) -> bool:
        """Store a pending answer, instead of the one that was found, if any.

        Returns False if another caller was faster.
        """
        return self._put_if(
            "attribute_not_exists(#asked_at) OR #asked_at = :seen",
            instead_of.asked_at if instead_of else -1,
            _pending_row(pending),
        )

    def handed_over(self, pending: Pending) -> None:
        """Store the place where the answer will appear."""
        self._put_if(_UNTOUCHED, pending.asked_at, _pending_row(pending))

    def withdraw(self, pending: Pending) -> None:
        """Delete a pending answer that will not come."""
        forgotten = replace(pending, asked_at=0, expected_by=0)
        self._put_if(_UNTOUCHED, pending.asked_at, _pending_row(forgotten))

    def finish(self, pending: Pending, answer: Answer) -> bool:
        """Store the deferred answer. Returns False if another caller stored it or asked again."""
        row = self._row(answer, pending.draft)
        return self._put_if(_UNTOUCHED, pending.asked_at, row)

    def _put_if(self, condition: str, seen: int, row: Mapping[str, Any]) -> bool:
        with translated("answers table"):
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item=row,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#asked_at": "asked_at"},
                    ExpressionAttributeValues={":seen": {"N": str(seen)}},
                )
            except self._changed_meanwhile:
                return False
        return True

    @property
    def _changed_meanwhile(self) -> type[Exception]:
        error: type[Exception] = self.client.exceptions.ConditionalCheckFailedException
        return error

    def _row(self, answer: Answer, draft: Draft) -> dict[str, Any]:
        row = {
            "id": {"S": answer["id"]},
            "answer": {"S": json.dumps(answer)},
            "read": {"S": draft.read},
            "expires_at": {"N": str(int(self.clock() + self.keep_hours * 3600))},
        }
        return row if draft.version is None else {**row, "version": {"N": str(draft.version)}}

    def _claim_row(self, id_: str, version: int, *, until: int) -> dict[str, Any]:
        """Return a row of its own, so that no claim touches an answer."""
        return {
            "id": {"S": f"{id_}/{version}"},
            "asked_at": {"N": str(until)},
            "expires_at": {"N": str(int(self.clock()) + _CLAIM_KEPT_S)},
        }

    def _is_alive(self, row: Mapping[str, Any]) -> bool:
        """DynamoDB deletes expired rows in its own time, up to days later."""
        return int(row["expires_at"]["N"]) > self.clock()


def _pending_row(pending: Pending) -> dict[str, Any]:
    return {
        "id": {"S": pending.draft.id},
        "pending": {"S": json.dumps(asdict(pending))},
        "asked_at": {"N": str(pending.asked_at)},
        "expires_at": {"N": str(pending.expected_by + _KEPT_S)},
    }


def _pending(row: Mapping[str, Any]) -> Pending:
    values = json.loads(row["pending"]["S"])
    values["draft"] = Draft(**values["draft"])
    values["place"] = Place(**values["place"]) if values["place"] else None
    return Pending(**values)
