"""Which numbers are old: data of a year that is more than two years ago.

``python -m sustainability.facts.age`` lists them. ``make refresh`` renews what it can, and then
lists the rest.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sustainability.facts.lookup import DATA

OLD_AFTER_YEARS = 2
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True)
class Row:
    """A row of a table of facts, and the year of its data."""

    path: str
    stated: str
    source: str

    @property
    def year(self) -> int:
        """The first year that the column names.

        Raises
        ------
        ValueError
            If it names none.
        """
        found = _YEAR.search(self.stated)
        if found is None:
            raise ValueError(f"{self.path}: year {self.stated!r} names no year")
        return int(found[0])


def rows() -> Iterator[Row]:
    """Yield every row of every table that states years."""
    for file in sorted(DATA.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if "year" in row:
                    key = next(iter(row.values()))
                    yield Row(f"{file.stem}/{key}", row["year"], row["source"])


def old(found: Iterable[Row], year: int) -> list[Row]:
    """Return the rows whose data is older than two years in ``year``, the oldest first."""
    aged = {row for row in found if year - row.year > OLD_AFTER_YEARS}
    return sorted(aged, key=lambda row: (row.year, row.path))


def main() -> int:
    """Print what is old."""
    for row in old(rows(), date.today().year):
        print(f"{row.path}: data of {row.stated}; {row.source}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
