"""Collects blocks under the headings that are open while a document is read."""

from __future__ import annotations

from collections.abc import Sequence

from rag.chunks import Block

# A longer "heading" is a paragraph in disguise, and would be repeated with each of its chunks.
LONGEST_HEADING = 120


class Outline:
    """The open headings by level, and the blocks found so far."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self._open: list[tuple[int, str]] = []
        self._bare = False

    def heading(self, level: int, text: str) -> None:
        """Open a heading and close those of its level and deeper."""
        text = " ".join(text.split())
        if not text:
            return
        if len(text) > LONGEST_HEADING:
            self.add(text)
            return
        self._keep_bare_heading(level)
        self._open = [(depth, name) for depth, name in self._open if depth < level]
        self._open.append((level, text))
        self._bare = True
        self.title = self.title or text

    def add(self, body: str, *, before: str = "", after: str = "") -> None:
        """Add a block under the open headings."""
        if body.strip():
            self.blocks.append(Block(self._path(), body, before, after))
            self._bare = False

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table, the way Markdown writes them; its first row is the head of each part."""
        filled = [[" ".join(cell.split()) for cell in row] for row in rows if any(row)]
        columns = max((len(row) for row in filled), default=0)
        lines = [f"| {' | '.join([*row, *[''] * (columns - len(row))])} |" for row in filled]
        if columns <= 1:
            self.add("\n".join(row[0] for row in filled))
        elif len(lines) == 1:
            self.add(lines[0])
        else:
            self.add("\n".join(lines[1:]), before=f"{lines[0]}\n|{' --- |' * columns}")

    def close(self) -> list[Block]:
        """All blocks, once the document is read."""
        self._keep_bare_heading(0)
        return self.blocks

    def _keep_bare_heading(self, level: int) -> None:
        """Keep a heading as text if nothing is under it, not even a deeper heading."""
        if self._bare and level <= self._open[-1][0]:
            self.add(self._open[-1][1])

    def _path(self) -> tuple[str, ...]:
        return tuple(name for _, name in self._open)
