"""Old numbers are told of."""

from __future__ import annotations

import warnings
from datetime import date

import pytest

from sustainability.facts.age import Row, old, rows


class OldFactsWarning(UserWarning):
    """Somebody should look for newer data."""


def test_a_row_is_old_when_its_data_is_from_more_than_two_years_ago() -> None:
    row = Row("regions/eu-north-1/pue", "2024", "AWS")

    assert old([row], 2026) == []
    assert old([row], 2027) == [row]
    assert Row("a", "latest at 2026-04", "").year == 2026
    with pytest.raises(ValueError, match="names no year"):
        _ = Row("a", "soon", "").year


def test_every_row_names_the_year_of_its_data_and_old_ones_are_told() -> None:
    found = list(rows())

    assert len(found) > 500
    assert all(2015 < row.year <= date.today().year for row in found)
    if aged := old(found, date.today().year):
        names = ", ".join(f"{row.path} ({row.stated})" for row in aged)
        warnings.warn(f"older than two years: {names}", OldFactsWarning, stacklevel=1)
