"""Fills a new generation of the index: every key of the bucket goes through the ingest queue.

A walk goes through the bucket page by page. It sends the keys of a page that are not settled to the
queue, looks again until they are, and goes on. So the queue never holds more than a page of them,
and a document that somebody adds meanwhile waits for no more than that. Where a walk is stands in
its next message: if a step fails, the queue brings it again.

A document that does not settle is passed by, and looked for in the next round. Until none is
missing, the index is not complete, and the generation before goes on answering.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from rag.documents import Manifest
from rag.errors import Rejected, Unavailable
from rag.objects import Objects, Queue
from rag.stores.store import KnowledgeStore, StoreError

_PAGE = 100
"""Keys of a page: what one call of DynamoDB reads."""
_PAGES = 50
"""Pages with nothing to do that one step goes through."""
_LOOKS = 20
_LONGEST_PAUSE_S = 20
"""Times that a page is looked at again, with longer and longer pauses: five minutes in all."""
_ROUND_S = 900
"""Pause before the next round: as long as a queue delays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a walk is: the content of its message.

    `looks` counts the looks at the page behind the key `after`, `missing` the documents that were
    passed by in this round.
    """

    generation: str
    walk: str
    number: int = 0
    round: int = 1
    after: str = ""
    looks: int = 0
    missing: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Step:
        """Read a message. Raises `Rejected`."""
        try:
            return cls(**values)
        except TypeError as error:
            raise Rejected("bad_event", f"not a step of a walk: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """Walks through the bucket for one generation; `pipeline` is the reader's version."""

    generation: str
    objects: Objects
    manifest: Manifest
    knowledge: KnowledgeStore
    queue: Queue
    pipeline: str

    def begin(self, *, forget: bool = False) -> None:
        """Begin a walk; with `forget`, or if the index is empty, nothing counts as indexed."""
        walk = uuid.uuid4().hex
        is_new = not self.manifest.index().epoch
        self.manifest.begin_walk(walk, forget=forget or is_new or self._is_empty())
        self.advance(Step(generation=self.generation, walk=walk))

    def _is_empty(self) -> bool:
        with suppress(StoreError, Unavailable):
            return self.knowledge.count() == 0
        return False

    def advance(self, step: Step) -> None:
        """Do one step and send the next; one that is not of the present walk does nothing."""
        index = self.manifest.index()
        if index.walk != step.walk or step.number < index.step:
            return
        following, delay_s = self._onward(step, index.epoch)
        if following is None:
            visible_at = max(int(self.manifest.clock()), index.visible_at)
            self.manifest.end_walk(step.walk, complete=visible_at)
            return
        following = replace(following, number=step.number + 1)
        self.queue.send({"walk": asdict(following)}, delay_s=delay_s)
        self.manifest.advance_walk(step.walk, following.number)

    def _onward(self, step: Step, epoch: str) -> tuple[Step | None, int]:
        """Go through pages until one has to be waited for; return what is next, and the pause.

        None is next when all documents are there.
        """
        for _ in range(_PAGES):
            page = self.objects.page(step.after, _PAGE)
            if not page:
                again = Step(generation=step.generation, walk=step.walk, round=step.round + 1)
                return (again, _ROUND_S) if step.missing else (None, 0)
            etags = {key: etag for key, etag in page.items() if not key.endswith("/")}
            settled = self.manifest.settled(etags, pipeline=self.pipeline, epoch=epoch)
            waiting = [key for key in etags if key not in settled]
            # Each round that sends a document which cannot be indexed leaves a dead letter.
            sends = step.looks == 0 and step.round.bit_count() == 1
            if waiting and (sends or 0 < step.looks < _LOOKS):
                if sends:
                    self.queue.send(*map(_event, waiting))
                pause_s = min(1 + step.looks, _LONGEST_PAUSE_S)
                return replace(step, looks=step.looks + 1), pause_s
            missing = step.missing + len(waiting)
            step = replace(step, after=[*page][-1], looks=0, missing=missing)
        return step, 0


def _event(key: str) -> dict[str, Any]:
    """Return the event that S3 would send of a key."""
    now = datetime.now(UTC).isoformat()
    return {"Records": [{"eventTime": now, "s3": {"object": {"key": quote_plus(key)}}}]}
