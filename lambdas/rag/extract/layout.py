"""What the places of letters tell: columns that were painted line by line, and spaced letters."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

_FEWEST_ROWS = 6
"""Lines that a gap must part, or it is no gap between columns."""
_MOST_CROSSED = 0.15
"""Share of them in which a word may stand where the gap is: a title over both columns."""
_NARROWEST = 0.5
"""Width of the gap in heights of a line; between words of a line there is about a quarter."""


_WORD_GAP = 1.4
"""Gap between spaced words, in usual gaps between their letters."""
_LONGEST_WORD = 15
"""Letters in one word; more without a wider gap among them are of several."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word or letter and its box, in points from the page's lower left corner."""

    text: str
    left: float
    right: float
    bottom: float
    top: float


def in_columns(words: Sequence[Word]) -> str | None:
    """Return the text column by column, or None if there is one column only.

    What crosses the gap between columns, such as a title, stands between what is above and below.
    """
    rows = list(_rows(words))
    gaps = _gaps(rows)
    if not gaps:
        return None
    lines: list[str] = []
    columns: list[list[str]] = [[] for _ in range(len(gaps) + 1)]
    for row in rows:
        if any(word.left < gap < word.right for word in row for gap in gaps):
            lines += [line for column in columns for line in column]
            columns = [[] for _ in columns]
            lines.append(" ".join(word.text for word in row))
        else:
            for at, column in enumerate(columns):
                if own := [word.text for word in row if bisect(gaps, word.left) == at]:
                    column.append(" ".join(own))
    return "\n".join(lines + [line for column in columns for line in column])


def _rows(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Yield the words of each line, from the top, each line from the left."""
    row: list[Word] = []
    for word in sorted(words, key=lambda word: -(word.top + word.bottom)):
        if row and (word.top + word.bottom) / 2 < row[0].bottom:
            yield sorted(row, key=lambda word: word.left)
            row = []
        row.append(word)
    if row:
        yield sorted(row, key=lambda word: word.left)


def _gaps(rows: Sequence[Sequence[Word]]) -> list[float]:
    """Return where columns are parted: the middle of each gap, from the left."""
    if len(rows) < _FEWEST_ROWS:
        return []
    narrowest = _NARROWEST * median(word.top - word.bottom for row in rows for word in row)
    first = int(min(row[0].left for row in rows))
    last = int(max(word.right for row in rows for word in row))
    parted = [0] * (last - first + 1)
    crossed = list(parted)
    for row in rows:
        for word in row:
            for x in range(int(word.left) + 1, int(word.right) + 1):
                crossed[x - first] += 1
        for one, other in pairwise(row):
            if other.left - one.right >= narrowest:
                for x in range(int(one.right) + 1, int(other.left) + 1):
                    parted[x - first] += 1
    found: list[float] = []
    run: list[int] = []
    for x, (between, through) in enumerate(zip([*parted, 0], [*crossed, 0], strict=True), first):
        if between >= _FEWEST_ROWS and through <= _MOST_CROSSED * between:
            run.append(x)
        elif run:
            found.append((run[0] + run[-1]) / 2)
            run = []
    return found


def unspaced(letters: Sequence[Word]) -> str:
    """Return the words that letters with wide spaces make, or the letters if they make none."""
    gaps = [max(0.0, other.left - one.right) for one, other in pairwise(letters)]
    between_words = _WORD_GAP * median(gaps)
    text = letters[0].text
    for gap, letter in zip(gaps, letters[1:], strict=True):
        text += f" {letter.text}" if gap >= between_words else letter.text
    height = max(letter.top - letter.bottom for letter in letters)
    # Cells of a table stand farther apart.
    if median(gaps) > height or max(map(len, text.split())) > _LONGEST_WORD:
        return " ".join(letter.text for letter in letters)
    return text
