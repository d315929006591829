"""Cuts a document into chunks that fit a token budget, along its structure.

A chunk never crosses a section. A section that fits stays whole; a longer one is cut at paragraphs,
then sentences, then words. Because of that an edit in one section leaves every other section's
chunks as they are, and only what changed is embedded again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag import tokens

# Pattern to cut at, and what puts the parts back together.
_PROSE = (
    (re.compile(r"\n\s*\n"), "\n\n"),
    (re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])"), " "),
    (re.compile(r"\s+"), " "),
)
_LINES = ((re.compile(r"\n"), "\n"), (re.compile(r"\s+"), " "))


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or piece of code under its headings.

    `before` and `after` frame the body: a fence, or a table's head. A framed body is cut at lines,
    and every piece gets the frame again.
    """

    headings: tuple[str, ...]
    body: str
    before: str = ""
    after: str = ""

    @property
    def text(self) -> str:
        """The whole block."""
        return self.framed(self.body)

    def framed(self, body: str) -> str:
        """Return a part of the body inside this block's frame."""
        return "\n".join(part for part in (self.before, body, self.after) if part)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage to embed. `section` is the heading path, `position` its place in the document."""

    section: str
    text: str
    position: int

    def identity(self, *scope: str) -> str:
        """80 bits over the content and its scope (document, title), as 20 hex digits.

        `position` stays out, so that text which merely moved is not embedded again, and so does
        the index: in the next generation a chunk has the same id, by which its vector is found in
        the one before. Among ten
        million chunks the chance of any collision is below n²/2⁸¹ = 4e-11.
        """
        content = json.dumps([*scope, self.section, self.text])
        return hashlib.blake2b(content.encode(), digest_size=10).hexdigest()


def split(blocks: Sequence[Block], *, budget: int, overlap: int) -> list[Chunk]:
    """Chunks of at most `budget` estimated tokens, in document order.

    Where a section had to be cut inside prose, the next chunk repeats up to `overlap` tokens of
    whole sentences. The heading path is not counted.
    """
    chunks: list[Chunk] = []
    for headings, section in itertools.groupby(blocks, key=lambda block: block.headings):
        for text in _pack(section, budget, overlap):
            chunks.append(Chunk(" > ".join(headings), text, len(chunks)))
    return chunks


def _pack(blocks: Iterator[Block], budget: int, overlap: int) -> Iterator[str]:
    current = tail = ""
    for block in blocks:
        for piece in _pieces(block, budget, overlap):
            joined = f"{current}\n\n{piece}" if current else piece
            if tokens.estimate(joined) > budget:
                yield current
                joined = f"{tail}\n\n{piece}" if tail else piece
                if tokens.estimate(joined) > budget:
                    joined = piece
            current = joined
            tail = "" if block.before else _tail(piece, overlap)
    if current:
        yield current


def _pieces(block: Block, budget: int, overlap: int) -> Iterator[str]:
    if tokens.estimate(block.text) <= budget:
        yield block.text
        return
    frame = tokens.estimate(block.framed("\n"))
    if not block.before or frame > budget // 2:
        yield from _cut(block.text, budget - overlap, _PROSE)
        return
    for body in _cut(block.body, budget - frame, _LINES):
        yield block.framed(body)


def _cut(text: str, budget: int, levels: Sequence[tuple[re.Pattern[str], str]]) -> Iterator[str]:
    """Cut at the first level, merge while it fits, and cut what is still too long at the next."""
    if not levels:
        step = max(1, int(budget * tokens.BYTES_PER_TOKEN) // 4)  # a character has up to 4 bytes
        yield from (text[start : start + step] for start in range(0, len(text), step))
        return
    (pattern, joiner), *deeper = levels
    current = ""
    for part in filter(str.strip, pattern.split(text)):
        joined = f"{current}{joiner}{part}" if current else part
        if tokens.estimate(joined) <= budget:
            current = joined
            continue
        if current:
            yield current
        current = ""
        if tokens.estimate(part) <= budget:
            current = part
        else:
            *whole, current = _cut(part, budget, deeper)
            yield from whole
    if current:
        yield current


def _tail(text: str, limit: int) -> str:
    """Return the last whole sentences of a text, up to `limit` tokens."""
    tail = ""
    for sentence in reversed(_PROSE[1][0].split(text)):
        longer = f"{sentence} {tail}".strip()
        if tokens.estimate(longer) > limit:
            break
        tail = longer
    return tail
