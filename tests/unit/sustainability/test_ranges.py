"""What the ranges of estimates mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.energy.verdict import Verdict
from sustainability.facts.ranges import DRAWS, Estimate

A = Estimate(1, 2, 8).drawn("a")
B = Estimate(3, 4, 5).drawn("b")


def test_a_range_holds_nine_of_ten_draws_and_halves_them_at_the_middle() -> None:
    assert A.draws is not None
    assert sum(1 <= value <= 8 for value in A.draws) == pytest.approx(0.9 * DRAWS, abs=1)
    assert sum(value < 2 for value in A.draws) == DRAWS / 2


def test_draws_are_the_same_in_every_run_and_differ_between_facts() -> None:
    assert A.draws == Estimate(1, 2, 8).drawn("a").draws
    assert A.draws != Estimate(1, 2, 8).drawn("b").draws


def test_independent_errors_partly_cancel() -> None:
    parts = [Estimate(90, 100, 110).drawn(str(number)) for number in range(25)]
    total = Estimate.total(parts)

    assert total.mid == 2500
    # The root of 25 is 5: a twentieth of the corners' 2,250 to 2,750 each way.
    assert total.high - total.mid == pytest.approx(5 * 10, rel=0.2)
    assert total.mid - total.low == pytest.approx(5 * 10, rel=0.2)


def test_what_two_numbers_share_does_not_blur_their_difference() -> None:
    grid = Estimate(10, 100, 1000).drawn("grid")
    small, large = grid * 1.0, grid * 1.01

    assert small.high > large.low
    assert Verdict.between(small, large).chance == 1
    assert not Verdict.between(small, large).too_close
    other = Estimate(10, 100, 1000).drawn("another grid") * 1.01
    assert Verdict.between(small, other).too_close
    assert Verdict.between(small, small).chance == 0.5


def test_one_of_several_is_drawn_from_all() -> None:
    near, far = Estimate(9, 10, 11).drawn("x"), Estimate(90, 100, 110).drawn("x")
    one = Estimate.one_of([near, far], "which")

    assert one.mid == 55
    assert one.draws is not None
    assert sum(value < 50 for value in one.draws) == DRAWS / 2


def test_numbers_of_unknown_origin_combine_their_ends() -> None:
    unknown = Estimate(1, 2, 3)

    assert (unknown + B).as_list() == [4, 6, 8]
    assert (unknown * B).as_list() == [3, 8, 15]


AMOUNT = st.just(0.0) | st.floats(1e-9, 1e3)


@given(st.lists(st.tuples(AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=5))
def test_sums_and_products_stay_in_order_and_near_their_middle(
    ends: list[tuple[float, float, float]],
) -> None:
    parts = [Estimate(*sorted(values)).drawn(str(number)) for number, values in enumerate(ends)]
    total = Estimate.total(parts)
    assert total.mid == pytest.approx(sum(part.mid for part in parts))
    assert total.low <= total.mid <= total.high


def test_a_choice_among_exact_numbers_is_one_of_them() -> None:
    either = Estimate.one_of([Estimate.exact(1.0), Estimate.exact(3.0)], "grid")
    assert (either.low, either.mid, either.high) == (1.0, 2.0, 3.0)
