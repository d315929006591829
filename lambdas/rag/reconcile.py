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
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from rag import unicode_text
from rag.chunks import Chunk
from rag.documents import Manifest, Row, Value
from rag.embedding import Embedder
from rag.errors import Rejected
from rag.objects import DeadLetters, Objects, Source
from rag.reading import Reader
from rag.stores.store import KnowledgeStore

_WINDOW = 192
"""Chunks embedded and written before the row notes them: what a retry has to do again at most."""

_GONE = "gone"
_TOMBSTONE_S = 30 * 24 * 3600
"""How long the row of a deleted document is kept, so that its state can be read."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconciliation did. `status`: unchanged, indexed, rejected or deleted."""

    status: str
    etag: str = field(default="", compare=False)
    embedded: int = 0
    unchanged: int = 0
    deleted: int = 0
    embedding_tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Target:
    """The passages that the index should contain of a document, and the content of its row."""

    chunks: dict[str, Chunk]
    attributes: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """Everything a reconciliation needs.

    `scope` names what else decides about a chunk's vector: model, dimensions, index.
    """

    objects: Objects
    manifest: Manifest
    knowledge: KnowledgeStore
    embedder: Embedder
    dead_letters: DeadLetters
    reader: Reader
    scope: str

    def reconcile(self, document: str, *, seconds: float) -> Outcome:
        """Make the index contain the chunks of the object as it is now, and no others of it.

        `seconds`: how long this process can live at most. Raises `LeaseHeld` when another writer
        is at work on the document, and whatever the services raise; both mean: try again.
        """
        row = self.manifest.claim(document, seconds=seconds)
        try:
            return self._converge(row)
        except Exception:
            with suppress(Exception):  # the lease ends by itself; what went wrong matters more
                self.manifest.release(row)
            raise

    def is_current(self, document: str, outcome: Outcome) -> bool:
        """Whether the object is still what the outcome is about."""
        source = self.objects.get(document)
        if source:
            source.close()
        return outcome.etag == (source.etag if source else _GONE)

    @property
    def _pipeline(self) -> str:
        return f"{self.reader.version}/{self.scope}"

    def _converge(self, row: Row) -> Outcome:
        source = self.objects.get(row.document)
        etag = source.etag if source else _GONE
        if row.etag == etag and row.pipeline == self._pipeline:
            if source:
                source.close()
            self.manifest.release(row)
            return Outcome("unchanged", etag)

        target = self._target(row.document, source)
        known = set(row.chunks)
        kept = [id_ for id_ in row.chunks if id_ in target.chunks]
        missing = [id_ for id_ in target.chunks if id_ not in known]
        stale = [id_ for id_ in row.chunks if id_ not in target.chunks]
        # Left by a writer that died. Deleted first, or the row would grow with every such death.
        leftovers = sorted({*(row.pending or ()), *row.stale} - target.chunks.keys())
        self.knowledge.delete(leftovers)
        tokens, delay_s = 0, 0.0
        changes = bool(missing or stale or row.pending is not None)
        if changes:
            self.manifest.save(
                row, {"etag": None, "chunks": kept, "pending": missing, "stale": stale}
            )
            tokens = self._write(row, target, kept, missing)
            self.knowledge.delete(stale)
            delay_s = self.knowledge.make_visible()
            self.manifest.bump_index_version(delay_s=delay_s)
        self.manifest.release(
            row,
            {
                **target.attributes,
                "chunks": list(target.chunks),
                "pending": None,
                "stale": None,
                "embedded": len(missing),
                "visible_at": int(self.manifest.clock() + delay_s),
                "etag": etag,
                "pipeline": self._pipeline,
            },
        )
        status = str(target.attributes["status"])
        return Outcome(
            status=status if changes or status != "indexed" else "unchanged",
            etag=etag,
            embedded=len(missing),
            unchanged=len(kept),
            deleted=len(stale) + len(leftovers),
            embedding_tokens=tokens,
        )

    def _write(self, row: Row, target: _Target, kept: list[str], missing: list[str]) -> int:
        """Embed and write the missing chunks. Returns the tokens embedded."""
        document = unicode_text.normal(row.document)  # as filters name it
        fields = {
            "document": document,
            "collection": document.partition("/")[0] if "/" in document else "",
            "format": target.attributes["format"],
            "title": target.attributes["title"],
        }
        written, tokens = list(kept), 0
        for start in range(0, len(missing), _WINDOW):
            window = missing[start : start + _WINDOW]
            chunks = [target.chunks[id_] for id_ in window]
            vectors, count = self.embedder.documents([_embedded_text(chunk) for chunk in chunks])
            self.knowledge.write(
                (
                    id_,
                    {
                        **fields,
                        "section": chunk.section,
                        "text": chunk.text,
                        "position": chunk.position,
                        "embedding": vector,
                    },
                )
                for id_, chunk, vector in zip(window, chunks, vectors, strict=True)
            )
            tokens += count
            written += window
            self.manifest.save(row, {"chunks": written, "pending": missing[start + len(window) :]})
        return tokens

    def _target(self, document: str, source: Source | None) -> _Target:
        nothing: dict[str, Value] = dict.fromkeys(
            ("format", "title", "bytes", "reason", "expires_at")
        )
        if source is None:
            expiry = int(self.manifest.clock()) + _TOMBSTONE_S
            return _Target({}, {**nothing, "status": "deleted", "expires_at": expiry})
        try:
            reading = self.reader.read(document, source)
        except Rejected as rejection:
            source.close()
            self.dead_letters.send(document, rejection)
            reason = str(rejection)
            return _Target({}, {**nothing, "status": "rejected", "reason": reason})
        chunks: dict[str, Chunk] = {}
        for chunk in reading.chunks:  # the same text twice is one chunk, at its first place
            chunks.setdefault(chunk.identity(document, self._pipeline, reading.title), chunk)
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
