"""The history is the same whichever runs are missed, repeated or late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations import recording
from operations.history import REMEMBERED, History, due, key
from operations.recording import update
from tests.unit.operations import fakes
from tests.unit.operations.fakes import HOUR, NOW, Bucket, CloudWatch

START = NOW.replace(minute=0)
HOURS = 12


class World:
    """A clock, a history, and data of which each part arrives some time after its hour."""

    def __init__(self, data: dict[datetime, list[tuple[float, timedelta]]]) -> None:
        self.now = START
        self.data = data
        self.bucket = Bucket(lambda: self.now)
        self.store = History(self.bucket, "history")
        self.published: list[datetime] = []

    def run(self, now: datetime) -> None:
        self.now = now
        arrived = {
            hour: {"questions": sum(count for count, late in parts if hour + HOUR + late <= now)}
            for hour, parts in self.data.items()
        }
        known = self.store.written(now)
        hours = [hour for hour in due(now, known) if hour >= START]
        update(now, hours, self.store, CloudWatch(arrived), fakes.settings())

    @property
    def history(self) -> dict[str, Any]:
        return {name: json.loads(body) for name, (body, _) in self.bucket.objects.items()}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "publish", lambda *_: None)


arrivals = st.tuples(
    st.integers(0, 9).map(float),
    st.integers(0, 119).map(lambda minutes: timedelta(minutes=minutes)),
)
days = st.lists(st.lists(arrivals, max_size=3), min_size=HOURS, max_size=HOURS).map(
    lambda parts: {START + HOUR * number: part for number, part in enumerate(parts)}
)
runs = st.lists(st.integers(65, 60 * HOURS), max_size=15).map(sorted)


@given(data=days, minutes=runs)
@settings(deadline=None, max_examples=60)
def test_missed_and_repeated_runs_give_the_same_history(
    data: dict[datetime, list[tuple[float, timedelta]]], minutes: list[int]
) -> None:
    steady, erratic = World(data), World(data)
    for number in range(1, HOURS + 4):
        steady.run(START + HOUR * number + timedelta(minutes=5))
    for minute in [65, *minutes, *([60 * (HOURS + 3) + 5] * 2)]:
        erratic.run(START + timedelta(minutes=minute))
    assert erratic.history == steady.history
    assert [record["final"] for record in erratic.history.values()] == [True] * (HOURS + 1)
    for hour, parts in data.items():
        assert erratic.history[key(hour)]["answers"]["questions"] == sum(n for n, _ in parts)


@given(minutes=runs)
@settings(deadline=None, max_examples=60)
def test_each_hours_metrics_go_out_once_and_when_it_has_settled(minutes: list[int]) -> None:
    world = World({})
    published: list[datetime] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "publish", lambda _, hour, __: published.append(hour))
        for minute in [65, *minutes, 60 * (HOURS + 3)]:
            world.run(START + timedelta(minutes=minute))
            assert all(hour + 3 * HOUR <= world.now for hour in published)
    assert published == [START + HOUR * number for number in range(HOURS + 1)]


def test_a_run_that_finds_nothing_new_writes_nothing_and_asks_once() -> None:
    later = NOW + 3 * HOUR
    bucket = Bucket(lambda: later)
    client = CloudWatch({NOW.replace(hour=5, minute=0): {"questions": 3.0}})
    store = History(bucket, "history")
    for _ in range(2):
        known = store.written(later)
        hours = due(later, known)
        update(later, hours, store, client, fakes.settings(), beginning=not known)
    assert list(bucket.objects) == ["history/2026/11/23/05.json", "history/2026/11/23/06.json"]
    assert (bucket.writes, client.calls) == (2, 1)


def test_an_hour_that_somebody_closes_is_published_at_once_and_never_again() -> None:
    hour = NOW.replace(hour=5, minute=0)
    published: list[dict[str, float]] = []
    store = History(Bucket(), "history")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "publish", lambda _, __, values: published.append(values))
        for count, closing in ((3.0, True), (3.0, True), (4.0, False)):
            client = CloudWatch({hour: {"questions": count, "cached": count}})
            update(NOW, [hour], store, client, fakes.settings(), closing=closing)
    (values,) = published
    assert values["TotalCostUsdMid"] == 1 + 1 + 3
    assert store.read(key(hour))["answers"]["answered"] == 4  # type: ignore[index]


def test_a_history_begins_with_the_first_hour_of_which_anything_is_known() -> None:
    store, known = History(Bucket(), "history"), datetime(2026, 11, 23, 1, tzinfo=UTC)
    hours = due(NOW, store.written(NOW))
    assert (len(hours), hours[-1]) == (24, datetime(2026, 11, 23, 3, tzinfo=UTC))
    client = CloudWatch({known: {"questions": 1.0}})
    written = update(NOW, hours, store, client, fakes.settings(), beginning=True)
    assert written == [key(known + HOUR * number) for number in range(3)]


def test_a_long_gap_is_filled_as_far_as_metrics_go() -> None:
    last = datetime(2026, 11, 23, 3, tzinfo=UTC)
    store = History(Bucket(), "history")
    store.write(key(last - timedelta(days=40)), {})
    hours = due(NOW, store.written(NOW))
    assert hours == [last - REMEMBERED + HOUR * number for number in range(14 * 24 + 1)]
