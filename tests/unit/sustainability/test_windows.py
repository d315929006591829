from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.plan.clean_hours import (
    Intensity,
    StaticProfile,
    Window,
    choose_window,
    whole_hours,
)

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Given:
    values: list[float]
    source: str = "given"

    def hours(self, start: datetime, end: datetime) -> Sequence[Intensity]:
        moments = whole_hours(start, end)
        return [Intensity(at, value) for at, value in zip(moments, self.values, strict=True)]


def choose(values: list[float], length: float, *, earliest: datetime = NOON) -> Window:
    return choose_window(
        Given(values), earliest=earliest, deadline=NOON + len(values) * HOUR, length=length * HOUR
    )


def test_the_cleanest_stretch_by_hand() -> None:
    window = choose([300, 200, 100, 120, 400], 2)

    assert (window.start, window.end) == (NOON + 2 * HOUR, NOON + 4 * HOUR)
    assert window.gco2e_per_kwh == 110
    assert window.saving == pytest.approx(1 - 110 / 250)


def test_of_equals_the_earliest_is_taken() -> None:
    assert choose([100, 100, 100], 1).start == NOON


def test_only_whole_hours_between_now_and_the_deadline_count() -> None:
    late = NOON + timedelta(minutes=20)

    assert whole_hours(late, NOON + 3 * HOUR) == [NOON + HOUR, NOON + 2 * HOUR]
    with pytest.raises(ValueError, match="no window of 3 whole hours"):
        choose_window(Given([1, 2]), earliest=late, deadline=NOON + 3 * HOUR, length=3 * HOUR)


def test_a_part_of_an_hour_takes_a_whole_one() -> None:
    assert choose([3, 1, 2], 1.5).end - choose([3, 1, 2], 1.5).start == 2 * HOUR


def test_moments_need_a_time_zone() -> None:
    naive = datetime(2026, 6, 15, 12)
    with pytest.raises(ValueError, match="time zone"):
        choose_window(Given([1]), earliest=naive, deadline=NOON, length=HOUR)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=48), st.data())
def test_no_window_is_cleaner_than_the_chosen_one(values: list[float], data: st.DataObject) -> None:
    length = data.draw(st.integers(1, len(values)))
    window = choose(values, length)

    assert window.end <= NOON + len(values) * HOUR
    assert all(
        window.gco2e_per_kwh <= sum(values[first : first + length]) / length + 1e-9
        for first in range(len(values) - length + 1)
    )


def test_germany_is_cleanest_around_noon_in_summer() -> None:
    midnight = NOON.replace(hour=0)
    window = choose_window(
        StaticProfile("eu-central-1"), earliest=midnight, deadline=midnight + 24 * HOUR, length=HOUR
    )

    assert 9 <= window.start.hour <= 13
    assert window.saving > 0.2


def test_a_grid_without_a_profile_is_constant_and_says_so() -> None:
    signal = StaticProfile("us-east-1")

    assert {hour.gco2e_per_kwh for hour in signal.hours(NOON, NOON + 24 * HOUR)} == {327.17}
    assert "no hourly profile" in signal.source
    assert "no hourly profile" not in StaticProfile("eu-north-1").source
