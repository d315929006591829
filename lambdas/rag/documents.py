"""The manifest: one DynamoDB row per document, with what of it is in the index.

Every chunk id that can be in the index stands in exactly one of a row's lists: `chunks` are known
to be there, `pending` may be there and belong there, `stale` may be there and must go. `etag` is
set only while the row is settled, that is while the index holds `chunks` and nothing else. So a
writer that dies at any moment leaves a row from which the next one can finish.

One more row, `INDEX_ROW`, is about the index. Its `version` counts up after each change, so that
answers which rest on an older state are not given again. From the time `complete` on the index
holds all documents, and answers. `epoch` names the last time when it was filled from nothing: a row
of another epoch says nothing about what is in the index now. `walk` and `step` tell where the walk
through the bucket is, and `ended` names the last walk that found all.

Each generation of the index has a manifest of its own, which is made and deleted with it.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rag.clients import translated
from rag.errors import Unavailable

Value = str | int | Sequence[str] | None

MAX_CHUNKS = 5_000
"""Chunks per document: a row lists at most twice as many ids, 24 bytes each, of its 400 KB."""

INDEX_ROW = "/"
"""No document has this name: keys that end in a slash are folders drawn by the console."""

LEASE_S = 60
"""How long a lease holds without a heartbeat of its writer."""


class LeaseHeld(Unavailable):
    """Another writer is at work on this document."""


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed row. `etag` is empty while unsettled; `pending` is None when no write began.

    `status` is empty for a document that was never settled. `begun` counts the writers that began
    since one of them came to an end, this one included.
    """

    document: str
    lease: str
    begun: int
    status: str
    etag: str
    pipeline: str
    epoch: str
    chunks: list[str]
    pending: list[str] | None
    stale: list[str]


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the row of the index says of its filling; `visible_at` is in seconds of the epoch."""

    epoch: str = ""
    walk: str = ""
    step: int = 0
    visible_at: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The documents table (partition key `document`)."""

    client: Any
    table: str
    clock: Callable[[], float] = time.time

    def claim(self, document: str) -> Row:
        """Acquire the document's lease, and read its row. Raises `LeaseHeld`.

        The lease ends `LEASE_S` after the last `renew`. Its writer renews it while it works, and
        right before it changes the index: a writer that stood still for longer and wakes up finds
        out that the document is another's by now.
        """
        lease, now = uuid.uuid4().hex, self.clock()
        values = self._update(
            document,
            {"lease": lease, "lease_until": int(now + LEASE_S)},
            counted="begun",
            condition="attribute_not_exists(#lease_until) OR #lease_until < :now",
            values={":now": int(now)},
            returned="ALL_NEW",
        )
        return Row(
            document=document,
            lease=lease,
            begun=values["begun"],
            status=values.get("status", ""),
            etag=values.get("etag", ""),
            pipeline=values.get("pipeline", ""),
            epoch=values.get("epoch", ""),
            chunks=values.get("chunks", []),
            pending=values.get("pending"),
            stale=values.get("stale", []),
        )

    def renew(self, row: Row) -> None:
        """Prolong the lease. Raises `LeaseHeld` if another writer has the document by now."""
        self._update(
            row.document,
            {"lease_until": int(self.clock() + LEASE_S)},
            condition="#lease = :held",
            values={":held": row.lease},
        )

    def save(self, row: Row, attributes: Mapping[str, Value]) -> None:
        """Set attributes (None removes) while the lease is ours. Raises `LeaseHeld`."""
        self._update(
            row.document,
            {**attributes, "updated_at": int(self.clock())},
            condition="#lease = :held",
            values={":held": row.lease},
        )

    def release(self, row: Row, attributes: Mapping[str, Value] | None = None) -> None:
        """Set attributes and give the lease back. Raises `LeaseHeld`."""
        ended: dict[str, Value] = {"lease": None, "lease_until": None, "begun": None}
        self.save(row, {**(attributes or {}), **ended})

    def bump_index_version(self, *, delay_s: float) -> None:
        """Count up. Searches see the change in `delay_s` (`visible_at`, seconds of the epoch)."""
        with translated("documents table"):
            self.client.update_item(
                TableName=self.table,
                Key={"document": {"S": INDEX_ROW}},
                UpdateExpression="SET #visible_at = :visible_at ADD #version :one",
                ExpressionAttributeNames={"#visible_at": "visible_at", "#version": "version"},
                ExpressionAttributeValues={
                    ":visible_at": _encode(int(self.clock() + delay_s)),
                    ":one": _encode(1),
                },
            )

    def index(self) -> IndexState:
        """Read the row of the index."""
        with translated("documents table"):
            row = self.client.get_item(
                TableName=self.table, Key={"document": {"S": INDEX_ROW}}, ConsistentRead=True
            ).get("Item", {})
        known = {name: _decode(row[name]) for name in IndexState.__slots__ if name in row}
        return IndexState(**known)

    def settled(self, etags: Mapping[str, str], *, pipeline: str, epoch: str) -> set[str]:
        """Tell which of up to 100 documents are settled at these entity tags."""
        names = ("document", "etag", "pipeline", "epoch")
        wanted = {
            self.table: {
                "Keys": [{"document": {"S": document}} for document in etags],
                "ProjectionExpression": ", ".join(f"#{name}" for name in names),
                "ExpressionAttributeNames": {f"#{name}": name for name in names},
                "ConsistentRead": True,
            }
        }
        found: set[str] = set()
        while etags and wanted:
            with translated("documents table"):
                answer = self.client.batch_get_item(RequestItems=wanted)
            for item in answer["Responses"].get(self.table, ()):
                row = {name: _decode(value) for name, value in item.items()}
                if row.get("etag") == etags[row["document"]] and (
                    (row.get("pipeline"), row.get("epoch", "")) == (pipeline, epoch)
                ):
                    found.add(row["document"])
            wanted = answer.get("UnprocessedKeys")
        return found

    def begin_walk(self, walk: str, *, forget: bool) -> None:
        """Note a walk, which ends those before; with `forget` nothing counts as indexed."""
        begun: dict[str, Value] = {"walk": walk, "step": 0}
        self._update(INDEX_ROW, {**begun, "epoch": walk, "complete": None} if forget else begun)

    def advance_walk(self, walk: str, step: int) -> None:
        """Note the step that a walk has come to, if it is still the walk."""
        with suppress(LeaseHeld):
            self._update(
                INDEX_ROW, {"step": step}, condition="#walk = :walk", values={":walk": walk}
            )

    def end_walk(self, walk: str, *, complete: int) -> None:
        """Note from when on searches see all documents, if the walk is still the walk."""
        with suppress(LeaseHeld):
            self._update(
                INDEX_ROW,
                {"complete": complete, "ended": walk},
                condition="#walk = :walk",
                values={":walk": walk},
            )

    def _update(
        self,
        document: str,
        attributes: Mapping[str, Value],
        *,
        counted: str = "",
        condition: str = "",
        values: Mapping[str, Value] | None = None,
        returned: str = "NONE",
    ) -> dict[str, Any]:
        changes = {name: value for name, value in attributes.items() if value is not None}
        removals = attributes.keys() - changes.keys()
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changes)
        if removals:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removals)
        bound = {**{f":{name}": value for name, value in changes.items()}, **(values or {})}
        if counted:
            expression += f" ADD #{counted} :one"
            bound[":one"] = 1
        names = set(re.findall(r"#(\w+)", f"{expression} {condition}"))
        with translated("documents table"):
            try:
                answer = self.client.update_item(
                    TableName=self.table,
                    Key={"document": {"S": document}},
                    UpdateExpression=expression,
                    **({"ConditionExpression": condition} if condition else {}),
                    ExpressionAttributeNames={f"#{name}": name for name in names},
                    ExpressionAttributeValues={key: _encode(v) for key, v in bound.items()},
                    ReturnValues=returned,
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                raise LeaseHeld("another writer is at work on this document") from None
        return {name: _decode(value) for name, value in answer.get("Attributes", {}).items()}


def _encode(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"L": [{"S": item} for item in value or ()]}


def _decode(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "L":
        return [item["S"] for item in content]
    return int(content) if kind == "N" else content
