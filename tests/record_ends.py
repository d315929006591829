"""How the record of an hour relates to a footprint."""

from __future__ import annotations

import pytest

from sustainability.facts.ranges import Estimate


def check_end(measured: float, stated: Estimate, end: int) -> None:
    """Hold the low (0), middle (1) or high value (2) of records against that of a footprint.

    A record adds the ends of every range, so that its range is hardly narrower.
    """
    expected = stated.as_list()[end]
    if end == 1:
        assert measured == pytest.approx(expected, rel=1e-3)
    elif end == 0:
        assert measured <= 1.02 * expected
    else:
        assert measured >= 0.98 * expected
