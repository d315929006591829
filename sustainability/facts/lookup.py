"""Facts: numbers with range, unit, year, source and confidence, one CSV row each.

The path of a fact is ``file/key``: ``regions/eu-north-1/grid`` is the row ``eu-north-1/grid`` of
``sustainability/facts/data/regions.csv``. To change a number, change its row. If a row is missing,
the error names the row to add. There are no default values.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path

from sustainability.errors import UserError
from sustainability.facts.ranges import Estimate

DATA = Path(__file__).parent / "data"
COLUMNS = ("key", "low", "mid", "high", "unit", "year", "source", "confidence")


class FactError(UserError):
    """A number that is missing or wrong. The message names the file and the row to correct."""


class Confidence(StrEnum):
    """The kind of source of a number."""

    PUBLISHED = "published"
    """Stated by those who make or measure the thing."""
    THIRD_PARTY = "third party"
    """Stated by others, and not compared with the first source."""
    DERIVED = "derived"
    """Computed from published numbers that the source column names."""
    ASSUMPTION = "assumption"
    """Chosen by this project, with its reason in the source column. Reports list these."""


@dataclass(frozen=True)
class Fact:
    """One number and where it comes from."""

    path: str
    value: Estimate
    unit: str
    year: str
    source: str
    confidence: Confidence


@cache
def load_facts(name: str, directory: Path = DATA) -> Mapping[str, Fact]:
    """Return the rows of ``directory/name.csv`` by key.

    If ``low`` or ``high`` is empty, it equals ``mid``.

    Raises
    ------
    FactError
        If the file is missing or a row cannot be used. Names file, line and solution.
    """
    path = directory / f"{name}.csv"
    facts: dict[str, Fact] = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise FactError(f"{path.name}: the columns must be {', '.join(COLUMNS)}")
            for row in rows:
                place = f"{path.name}:{rows.line_num}"
                key = row["key"]
                if key in facts:
                    raise FactError(f"{place}: {key!r} occurs twice; remove one row")
                facts[key] = _fact(f"{name}/{key}", row, place)
    except OSError as error:
        raise FactError(
            f"cannot read sustainability/facts/data/{path.name}: {error.strerror}"
        ) from error
    return facts


def _fact(path: str, row: dict[str, str], place: str) -> Fact:
    try:
        missing = [column for column in ("mid", "unit", "year", "source") if not row[column]]
        if missing:
            raise ValueError(f"{', '.join(missing)} must not be empty")
        mid = float(row["mid"])
        value = Estimate(float(row["low"] or mid), mid, float(row["high"] or mid)).drawn(path)
        confidence = Confidence(row["confidence"])
    except (ValueError, TypeError) as error:
        raise FactError(f"{place}: {row['key']!r}: {error}") from error
    return Fact(path, value, row["unit"], row["year"], row["source"], confidence)


@dataclass(frozen=True)
class Facts:
    """A reader of facts that records which facts were used, so that a report can list them.

    ``overrides`` replaces values by path. ``varying`` keeps the range of one fact and uses the
    middle value of all others; a report measures the influence of a fact in this way.
    """

    overrides: Mapping[str, Estimate] = field(default_factory=dict)
    varying: str | None = None
    directory: Path = DATA
    used: dict[str, Fact] = field(default_factory=dict)

    def __call__(self, path: str, unit: str) -> Estimate:
        """Return the value of ``path``; the caller expects it in ``unit``.

        Raises
        ------
        FactError
            If the row does not exist or has another unit.
        """
        self.require({path: unit})
        name, _, key = path.partition("/")
        fact = load_facts(name, self.directory)[key]
        if fact.unit != unit:
            raise FactError(f"{path} is in {fact.unit!r}, but {unit!r} is needed")
        self.used[path] = fact
        value = fact.value
        if path in self.overrides:
            value = self.overrides[path].drawn(path)
        return value if self.varies(path) else Estimate.exact(value.mid)

    def require(self, units: Mapping[str, str]) -> None:
        """Check that every path in ``units`` has a row. The unit is used only in the message.

        Raises
        ------
        FactError
            Names every row that is missing.
        """
        missing = []
        for path, unit in units.items():
            name, _, key = path.partition("/")
            if key not in load_facts(name, self.directory):
                missing.append(
                    f"no fact {key!r} in sustainability/facts/data/{name}.csv: "
                    f"add a row with {', '.join(COLUMNS)} in the unit {unit!r}"
                )
        if missing:
            raise FactError("\n".join(missing))

    def varies(self, path: str) -> bool:
        """Return whether the range of ``path`` is used, or only its middle value."""
        return self.varying in (None, path)

    def has(self, path: str) -> bool:
        """Return whether there is a row for ``path``."""
        name, _, key = path.partition("/")
        return key in load_facts(name, self.directory)
