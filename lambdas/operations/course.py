"""The course of a deployment: its last week beside its targets and the 30 days before that week.

Each day in UTC is judged once, when its hours are recorded. A deviation has one cause: the part
that moved most when it began. It keeps that name while it lasts, so that one deviation is one
alarm. Quality is judged beside it, because a saving that costs answers is none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from typing import Any

from operations.history import REMEMBERED, SETTLES_AFTER, History
from operations.settings import Settings, Target
from operations.telemetry import publish

Day = Mapping[str, Any]
"""The sums of a day's records."""

KEY = "course.json"
WEEK, BASELINE = 7, 30
"""Days that are judged, and days before them that they are compared with."""
LEAST_DAYS = 7
"""Fewer days are no baseline, because demand repeats by the week."""
LEAST_ANSWERS = 10
"""With fewer answers in a week, a value for each answer can be chance."""
NOTABLE = 0.05
"""A smaller deviation is none."""
_CHANCE = 2
"""A drop of quality within so many standard errors can be chance."""
_HOURS_PER_MONTH = 730
_DAY = timedelta(days=1)

_PARTS = {
    "search_unit_hours": "Store",
    "node_hours": "Store",
    "searches": "Store",
    "written_chunks": "Store",
    "input_tokens": "Generating",
    "output_tokens": "Generating",
    "small_input_tokens": "Generating",
    "small_output_tokens": "Generating",
    "embedding_tokens": "Embedding",
    "instance_hours": "Endpoint",
    "busy_hours": "Endpoint",
    "awake_hours": "Endpoint",
    "hours": "Standing",
}
"""The part of each quantity. All others belong to the functions and their requests."""
_FOLLOWS_ANSWERS = ("Generating", "Embedding", "Functions")
"""Parts that grow with the answers; the others are shared by them."""
PARTS = (*dict.fromkeys(_PARTS.values()), "Functions", "Traffic")


def update(now: datetime, written: Iterable[str], store: History, settings: Settings) -> list[str]:
    """Judge each day that is complete and was not judged; return these days.

    `written` are the keys of the records that changed. A day's metrics are sent before the course
    is stored: if the run fails in between, they are sent again, with the same values.
    """
    before = store.read(KEY) or {"days": {}, "day": None, "off": None}
    last = (now - SETTLES_AFTER - timedelta(hours=23)).date()
    changed = {"-".join(key.split("/")[1:4]) for key in written}
    days: dict[str, Day | None] = {}
    for number in reversed(range(WEEK + BASELINE + REMEMBERED.days)):
        day = last - number * _DAY
        name = day.isoformat()
        known = name in before["days"] and name not in changed
        days[name] = before["days"][name] if known else _sums(store.day(day))
    judged = before["day"] or (last - REMEMBERED).isoformat()
    waiting = [name for name, sums in days.items() if sums and name > judged]
    course: dict[str, Any] = before
    for name in waiting:
        day = date.fromisoformat(name)
        course = judge(day, days, settings.targets, course["off"])
        sent = {n: value for n, value in metrics(course).items() if n in settings.metrics}
        publish(settings.deployment, datetime.combine(day, time(23), UTC), sent)
    if waiting or days != before["days"]:
        store.write(KEY, course | {"days": days})
    return waiting


def judge(
    day: date,
    days: Mapping[str, Day | None],
    targets: Sequence[Target],
    off: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the course at the end of a day; `off` is the deviation that lasted until then."""
    week = _Window.of(days, day, WEEK)
    baseline = _Window.of(days, day - WEEK * _DAY, BASELINE)
    found = [_judged(target, day, week, baseline) for target in targets]
    known = [each for each in found if each["above"] is not None]
    worst = max(known, key=lambda each: each["above"], default=None)
    if worst is None:  # nothing was seen, so nothing is known to be over
        off = off if targets else None
    elif worst["above"] < NOTABLE:
        off = None
    elif off is None:
        part = _moved(worst["measure"], worst["per"], week, baseline)
        off = {"since": day.isoformat(), "part": part}
    if off is not None and worst is not None:
        off = {**off, **{name: worst[name] for name in ("measure", "per", "above")}}
    return {
        "day": day.isoformat(),
        "week_days": len(week.days),
        "baseline_days": len(baseline.days),
        "targets": found,
        "off": off,
        "quality": _quality(week, baseline),
    }


def metrics(course: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a day by name. What could not be judged is not sent as zero."""
    values = {}
    if any(target["above"] is not None for target in course["targets"]):
        off = course["off"] or {"part": None}
        values = {f"OffTarget{part}": 0.0 for part in PARTS}
        if off["part"]:
            values[f"OffTarget{off['part']}"] = 100 * off["above"]
    drops = [each["drop"] for each in course["quality"].values() if each["drop"] is not None]
    if drops:
        values["QualityDrop"] = 100 * max(drops)
    return values


@dataclass(frozen=True, slots=True)
class _Window:
    """Consecutive days, as far as they have records."""

    days: Sequence[Day]

    @classmethod
    def of(cls, days: Mapping[str, Day | None], last: date, length: int) -> _Window:
        names = [(last - number * _DAY).isoformat() for number in range(length)]
        return cls([found for name in names if (found := days.get(name))])

    def sum(self, name: str) -> float:
        return float(sum(day[name] for day in self.days))

    def units(self, per: str) -> float:
        """Return the number of answers, or the length in months."""
        return self.sum("answered") if per == "answer" else self.sum("hours") / _HOURS_PER_MONTH

    def each(self, measure: str, per: str) -> float | None:
        """Return what an answer or a month took; None if it is not known."""
        taken = [day["taken"][measure] for day in self.days]
        if not self.units(per) or None in taken:
            return None
        if per == "answer" and self.units(per) < LEAST_ANSWERS:
            return None
        return float(sum(taken)) / self.units(per)

    def parts(self, measure: str, per: str) -> defaultdict[str, float]:
        """Return what each part took of it."""
        found: defaultdict[str, float] = defaultdict(float)
        for day in self.days:
            for part, taken in day["parts"].items():
                found[part] += taken[measure] / self.units(per)
        return found

    @property
    def answers_per_hour(self) -> float:
        return self.sum("answered") / self.sum("hours") if self.days else 0.0


def _judged(target: Target, day: date, week: _Window, baseline: _Window) -> dict[str, Any]:
    """Return the week's value beside a target and the baseline.

    Before its date a target is compared with the baseline. It is on course if the pace from the
    middle of the baseline to the middle of the week reaches it at its date.
    """
    now = week.each(target.measure, target.per)
    before = None
    if len(baseline.days) >= LEAST_DAYS:
        before = baseline.each(target.measure, target.per)
    expected, above = None, None
    if now is None:
        state = "unknown"
    elif now <= target.at_most:
        state, above = "holds", 0.0
    elif day >= target.by:
        state, above = "missed", now / target.at_most - 1
    elif not before:
        state = "unknown"
    else:
        pace = (now - before) / ((WEEK + BASELINE) / 2)
        expected = max(now + pace * ((target.by - day).days + WEEK / 2), 0.0)
        state = "on course" if expected <= target.at_most else "off course"
        above = max(now / before - 1, 0.0)
    return {
        "measure": target.measure,
        "per": target.per,
        "at_most": target.at_most,
        "by": target.by.isoformat(),
        "week": now,
        "baseline": before,
        "expected": expected,
        "state": state,
        "above": above,
    }


def _moved(measure: str, per: str, week: _Window, baseline: _Window) -> str:
    """Return the part that grew most; without a baseline, the largest one.

    What only follows from the number of answers is the traffic: more of them take more in a month,
    and fewer of them share what runs anyway.
    """
    by = "kwh" if measure == "water_l" else measure  # water is in proportion to the energy
    after = week.parts(by, per)
    if len(baseline.days) < LEAST_DAYS or not baseline.units(per) or not week.answers_per_hour:
        return max(after, key=after.__getitem__)
    before = baseline.parts(by, per)
    grew = {part: after[part] - before[part] for part in after.keys() | before.keys()}
    ratio = baseline.answers_per_hour / week.answers_per_hour
    traffic = 0.0
    for part in grew:
        if (part in _FOLLOWS_ANSWERS) == (per == "answer"):
            continue  # the number of answers does not change it
        if per == "answer":
            follows = before[part] * (ratio - 1)
        else:
            follows = before[part] * (1 / ratio - 1) if ratio else 0.0
        grew[part] -= follows
        traffic += follows
    grew["Traffic"] = traffic
    return max(sorted(grew), key=grew.__getitem__)


def _quality(week: _Window, baseline: _Window) -> dict[str, dict[str, float | None]]:
    """Return the shares of questions answered and of grounded text, and how far each fell."""
    found = {}
    for name, good, all_ in (
        ("answered", lambda day: day["settled"] - day["abstained"], "settled"),
        ("grounded", lambda day: day["grounded"], "judged"),
    ):
        counts = []
        for window in (week, baseline):
            days = [day["quality"] for day in window.days if day["quality"]]
            counts.append((sum(map(good, days)), sum(day[all_] for day in days)))
        (now, number), (before, of) = counts
        share, was = (part / total if total else None for part, total in counts)
        drop = None
        if share is not None and was is not None and len(baseline.days) >= LEAST_DAYS:
            both = (now + before) / (number + of)
            error = sqrt(max(both * (1 - both), 0.0) * (1 / number + 1 / of))
            drop = was - share if was - share > _CHANCE * error else 0.0
        found[name] = {"week": share, "baseline": was, "drop": drop}
    return found


def _sums(records: Sequence[Mapping[str, Any]]) -> Day | None:
    """Return the sums of a day's records, None without any."""
    if not records:
        return None
    parts: dict[str, Counter[str]] = {}
    for record in records:
        for quantity, taken in record["taken_by"].items():
            parts.setdefault(_PARTS.get(quantity, "Functions"), Counter()).update(taken)
    measured = [record["quality"] for record in records if record.get("quality")]
    water = [record["taken"].get("water_l") for record in records]
    return {
        "hours": len(records),
        "answered": sum(record["answers"]["answered"] for record in records),
        "taken": {
            **{m: sum(r["taken"][m][1] for r in records) for m in ("kwh", "carbon_g", "usd")},
            "water_l": None if None in water else sum(each[1] for each in water),
        },
        "parts": parts,
        "quality": _added(measured) if measured else None,
    }


def _added(measured: Collection[Mapping[str, float]]) -> dict[str, float]:
    names = ("settled", "abstained", "judged", "grounded")
    return {name: sum(each[name] for each in measured) for name in names}
