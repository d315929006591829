from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.offers.region_map import Coordinates, place
from sustainability.plan.carbon_signals import (
    ElectricityMaps,
    SignalError,
    WattTime,
    choose_signal,
    fetch_json,
)
from sustainability.plan.clean_hours import (
    Intensity,
    StaticProfile,
    Window,
    choose_window,
    whole_hours,
)

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERE = Coordinates(50.1, 8.7)


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


def test_electricity_maps_forecast_as_recorded() -> None:
    asked = []

    def fetch(url: str, headers: Mapping[str, str]) -> Any:
        asked.append((url, headers))
        return {
            "zone": "DE",
            "forecast": [
                {"carbonIntensity": 326, "datetime": "2026-06-15T12:00:00.000Z"},
                {"carbonIntensity": 297, "datetime": "2026-06-15T13:00:00.000Z"},
            ],
            "updatedAt": "2026-06-15T11:41:02.000Z",
        }

    hours = ElectricityMaps("secret", HERE, fetch).hours(NOON, NOON + 2 * HOUR)

    assert [hour.gco2e_per_kwh for hour in hours] == [326, 297]
    (url, headers), *_ = asked
    assert "lat=50.1" in url
    assert headers == {"auth-token": "secret"}


def test_watttime_forecast_as_recorded() -> None:
    def fetch(url: str, headers: Mapping[str, str]) -> Any:
        if url.endswith("/login"):
            assert headers["Authorization"].startswith("Basic ")
            return {"token": "abc"}
        assert headers == {"Authorization": "Bearer abc"}
        if "region-from-loc" in url:
            return {"region": "DE", "region_full_name": "Germany", "signal_type": "co2_moer"}
        assert "region=DE" in url
        return {
            "data": [
                {"point_time": "2026-06-15T12:00:00+00:00", "value": 1000.0},
                {"point_time": "2026-06-15T12:05:00+00:00", "value": 1200.0},
            ],
            "meta": {"region": "DE", "units": "lbs_co2_per_mwh", "signal_type": "co2_moer"},
        }

    (hour,) = WattTime("user", "password", HERE, fetch).hours(NOON, NOON + HOUR)

    assert hour.gco2e_per_kwh == pytest.approx(1100 * 453.59237 / 1000)


@pytest.mark.parametrize(
    "answer", [{}, {"forecast": [{"datetime": "2026-06-15T12:00:00Z"}]}, [], {"forecast": []}]
)
def test_an_answer_of_another_shape_is_refused(answer: Any) -> None:
    with pytest.raises(SignalError, match="Electricity Maps"):
        ElectricityMaps("secret", HERE, lambda url, headers: answer).hours(NOON, NOON + HOUR)


def test_a_service_out_of_reach_is_named() -> None:
    with pytest.raises(SignalError, match=r"127\.0\.0\.1:9"):
        fetch_json("http://127.0.0.1:9/v3", {})


def test_the_signal_follows_from_the_keys_there_are() -> None:
    watttime = {"WATTTIME_USERNAME": "user", "WATTTIME_PASSWORD": "password"}

    assert choose_signal("eu-north-1", {}) == StaticProfile("eu-north-1")
    assert isinstance(choose_signal("eu-north-1", watttime), WattTime)
    live = choose_signal("eu-north-1", {**watttime, "ELECTRICITY_MAPS_TOKEN": "secret"})
    assert isinstance(live, ElectricityMaps)
    assert live.coordinates == place("eu-north-1").coordinates
