"""Brings the index in line with one object, whatever state either is in.

Level-triggered: an event only says that something happened to a key, and the object's current
state is what counts. So repeated, reordered and late events do no harm, and neither does a writer
that died half-way: the next one finishes. The order of the steps makes it so:

1. claim the document's lease;
2. note in its row what will be written (`pending`) and what must go (`stale`);
3. write the missing chunks, noting them as `chunks` window by window;
4. delete the stale ones;
5. make it all visible to searches and count the index version up;
6. settle the row with the object's etag, and give the lease back.

A generation of the index that follows another takes the vectors of unchanged text from it, if the
same model made them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from rag import unicode_text
from rag.chunks import Chunk
from rag.documents import LEASE_S, Manifest, Row, Value
from rag.embedding import Embedder, Vector
from rag.errors import Rejected, Unavailable
from rag.heartbeat import beating
from rag.objects import DeadLetters, Objects, Source
from rag.reading import Reader
from rag.stores.store import KnowledgeStore, StoreError

_WINDOW = 192
"""Chunks embedded and written before the row notes them: what a retry has to do again at most."""

_WAKING_S = (10, 20)
"""Pauses between tries to read from the generation before."""

_BEGINNINGS = 10
"""Writers that may die over a document before it is rejected."""

_GONE = "gone"
_TOMBSTONE_S = 30 * 24 * 3600
"""How long the row of a deleted document is kept, so that its state can be read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation did. `status`: unchanged, indexed, rejected or deleted.

    `rejected` says that the document is rejected, now or unchanged; `reused` counts the vectors
    that came from the generation before.
    """

    status: str
    rejected: bool = field(default=False, compare=False)
    embedded: int = 0
    unchanged: int = 0
    deleted: int = 0
    embedding_tokens: int = 0
    reused: int = 0


@dataclass(slots=True)
class Predecessor:
    """The store of the generation before, for as long as it answers."""

    store: KnowledgeStore
    answers: bool = True

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Return the vectors that it has, by id. A store that sleeps has half a minute to wake."""
        for pause_s in (*_WAKING_S, None):
            if not self.answers:
                break
            try:
                return self.store.vectors(ids)
            except StoreError:
                self.answers = False
            except Unavailable:
                if pause_s is None:  # to embed anew costs less than to wait for what may be gone
                    self.answers = False
                else:
                    time.sleep(pause_s)
        return {}


@dataclass(frozen=True, slots=True)
class _Target:
    """The passages that the index should contain of a document, and the content of its row."""

    chunks: dict[str, Chunk]
    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Everything that it takes to reconcile one generation of the index.

    `epoch` is that of the index's row: what a document's row of another epoch says is in the index
    may be gone.
    """

    objects: Objects
    manifest: Manifest
    knowledge: KnowledgeStore
    embedder: Embedder
    dead_letters: DeadLetters
    reader: Reader
    predecessor: Predecessor | None = None
    epoch: str = ""

    def reconcile(self, document: str, *, reported: bool = False) -> Outcome:
        """Make the index hold the chunks of the object as it is now, and nothing else of it.

        `reported`: whether it is known already that the document is rejected. Raises `LeaseHeld`
        when another writer is at work on the document, and whatever the services raise; both mean:
        try again.
        """
        row = self.manifest.claim(document)
        try:
            with beating(lambda: self.manifest.renew(row), every_s=LEASE_S / 3):
                return self._converge(row, reported)
        except Exception:
            with suppress(Exception):  # the lease ends by itself; what went wrong matters more
                self.manifest.release(row)
            raise

    def _converge(self, row: Row, reported: bool) -> Outcome:
        source = self.objects.get(row.document)
        etag = source.etag if source else _GONE
        made = (etag, self.reader.version, self.epoch)
        if (row.etag, row.pipeline, row.epoch) == made:
            if source:
                source.close()
            self.manifest.release(row)
            return Outcome("unchanged", rejected=row.status == "rejected")

        target = self._target(row, source, reported)
        known = set(row.chunks) if row.epoch == self.epoch else set()
        kept = [id_ for id_ in row.chunks if id_ in target.chunks and id_ in known]
        missing = [id_ for id_ in target.chunks if id_ not in known]
        stale = [id_ for id_ in row.chunks if id_ not in target.chunks]
        # Left by a writer that died. Deleted first, or the row would grow with every such death.
        leftovers = sorted({*(row.pending or ()), *row.stale} - target.chunks.keys())
        self._delete(row, leftovers)
        reused, tokens, delay_s = 0, 0, 0.0
        changes = bool(missing or stale or row.pending is not None)
        if changes:
            self.manifest.save(
                row,
                {
                    "epoch": self.epoch or None,
                    "etag": None,
                    "chunks": kept,
                    "pending": missing,
                    "stale": stale,
                },
            )
            reused, tokens = self._write(row, target, kept, missing)
            self._delete(row, stale)
            delay_s = self.knowledge.make_visible()
            self.manifest.bump_index_version(delay_s=delay_s)
        self.manifest.release(
            row,
            {
                **target.attributes,
                "chunks": list(target.chunks),
                "pending": None,
                "stale": None,
                "embedded": len(missing) - reused,
                "visible_at": int(self.manifest.clock() + delay_s),
                "etag": etag,
                "pipeline": self.reader.version,
                "epoch": self.epoch or None,
            },
        )
        status = str(target.attributes["status"])
        return Outcome(
            status=status if changes or status != "indexed" else "unchanged",
            rejected=status == "rejected",
            embedded=len(missing) - reused,
            reused=reused,
            unchanged=len(kept),
            deleted=len(stale) + len(leftovers),
            embedding_tokens=tokens,
        )

    def _write(
        self, row: Row, target: _Target, kept: list[str], missing: list[str]
    ) -> tuple[int, int]:
        """Write the missing chunks. Returns the vectors reused, and the tokens embedded."""
        document = unicode_text.normal(row.document)  # as filters name it
        fields = {
            "document": document,
            "collection": document.partition("/")[0] if "/" in document else "",
            "format": target.attributes["format"],
            "title": target.attributes["title"],
        }
        written, reused, tokens = list(kept), 0, 0
        for start in range(0, len(missing), _WINDOW):
            window = missing[start : start + _WINDOW]
            vectors = self.predecessor.vectors(window) if self.predecessor else {}
            reused += len(vectors)
            anew = [id_ for id_ in window if id_ not in vectors]
            texts = [_embedded_text(target.chunks[id_]) for id_ in anew]
            embedded, count = self.embedder.documents(texts)
            vectors |= zip(anew, embedded, strict=True)
            self.manifest.renew(row)
            self.knowledge.write(
                (
                    id_,
                    {
                        **fields,
                        "section": target.chunks[id_].section,
                        "text": target.chunks[id_].text,
                        "position": target.chunks[id_].position,
                        "embedding": vectors[id_],
                    },
                )
                for id_ in window
            )
            tokens += count
            written += window
            self.manifest.save(row, {"chunks": written, "pending": missing[start + len(window) :]})
        return reused, tokens

    def _delete(self, row: Row, ids: Sequence[str]) -> None:
        if ids:
            self.manifest.renew(row)
            self.knowledge.delete(ids)

    def _target(self, row: Row, source: Source | None, reported: bool) -> _Target:
        document = row.document
        nothing: dict[str, Value] = dict.fromkeys(
            ("format", "title", "bytes", "reason", "expires_at")
        )
        if source is None:
            expiry = int(self.manifest.clock()) + _TOMBSTONE_S
            return _Target({}, {**nothing, "status": "deleted", "expires_at": expiry})
        try:
            if row.begun > _BEGINNINGS:
                raise Rejected("too_complex", f"{row.begun - 1} functions died over it; split it")
            reading = self.reader.read(document, source)
        except Rejected as rejection:
            source.close()
            if not reported:
                self.dead_letters.send(document, rejection)
            reason = str(rejection)
            return _Target({}, {**nothing, "status": "rejected", "reason": reason})
        chunks: dict[str, Chunk] = {}
        for chunk in reading.chunks:  # the same text twice is one chunk, at its first place
            chunks.setdefault(chunk.identity(document, reading.title), chunk)
        attributes: dict[str, Value] = {
            **nothing,
            "status": "indexed",
            "format": reading.format,
            "title": reading.title,
            "bytes": source.size,
        }
        return _Target(chunks, attributes)


def _embedded_text(chunk: Chunk) -> str:
    """Put the headings before a passage: they often name the subject that the passage does not."""
    return f"{chunk.section}\n{chunk.text}" if chunk.section else chunk.text
