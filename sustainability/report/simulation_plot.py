"""A replay as a picture: demand, capacity and sleeping over time, in one self-contained SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from sustainability.report.charts import round_up
from sustainability.simulation.outcome import Sample

_LEFT, _RIGHT, _TOP = 64, 944, 72
_HEIGHT, _GAP = 140, 56
_WITH_ROUND_HALF = (1, 2, 4, 6, 8, 10)
_HOUR_S, _DAY_S = 3600, 86400
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STYLE = """
svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#26302b}
.title{font-size:16px;font-weight:600}.tick{fill:#5b665f;font-size:11px}
.grid{stroke:#dfe4e1;fill:none}.line{fill:none;stroke-width:1.6}
.demand{stroke:#1f6f5b}.live{stroke:#a04a12}.billed{fill:#f0d9c4}.asleep{fill:#e6eaf4}
.bedrock{fill:#aab6e6}.frame{stroke:#8b968f}
@media(prefers-color-scheme:dark){svg{background:#111614}text{fill:#e1e8e4}.tick{fill:#a3b0a9}
.grid{stroke:#2b3430}.demand{stroke:#71c3a9}.live{stroke:#f0a970}.billed{fill:#5c4028}
.asleep{fill:#1d2436}.bedrock{fill:#4a5aa0}.frame{stroke:#5b665f}}
"""


@dataclass(frozen=True)
class _Key:
    """What a mark of the picture means; a filled one is an area, any other a line."""

    mark: str
    meaning: str
    filled: bool = True


@dataclass(frozen=True)
class _Panel:
    """A stretch of the picture with its own scale."""

    number: int
    label: str
    highest: float
    end: float
    keys: Sequence[_Key] = ()

    @property
    def top(self) -> float:
        return _TOP + self.number * (_HEIGHT + _GAP)

    @property
    def bottom(self) -> float:
        return self.top + _HEIGHT

    def x(self, time: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * time / self.end

    def y(self, value: float) -> float:
        return self.bottom - _HEIGHT * value / self.highest

    def frame(self) -> str:
        """Draw the label, the key, and the grid with its numbers and times."""
        parts = [f'<text x="{_LEFT}" y="{self.top - 12}">{escape(self.label)}</text>']
        x = _RIGHT - 150 * len(self.keys)
        for key in self.keys:
            shape, y = ("h14v-9h-14z", self.top - 12) if key.filled else ("h14", self.top - 16)
            kind = key.mark if key.filled else f"line {key.mark}"
            parts.append(
                f'<path class="{kind}" d="M{x} {y}{shape}"/>'
                f'<text x="{x + 20}" y="{self.top - 12}">{escape(key.meaning)}</text>'
            )
            x += 150
        for share in (0.0, 0.5, 1.0):
            value = share * self.highest
            parts.append(
                f'<path class="grid" d="M{_LEFT} {self.y(value):.1f}H{_RIGHT}"/>'
                f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{self.y(value) + 4:.1f}">'
                f"{value:,.10g}</text>"
            )
        for time, name in _ticks(self.end):
            at = self.x(time)
            parts.append(
                f'<path class="grid" d="M{at:.1f} {self.top}V{self.bottom}"/>'
                f'<text class="tick" x="{at + 2:.1f}" y="{self.bottom + 14}">{name}</text>'
            )
        parts.append(f'<path class="frame" d="M{_LEFT} {self.bottom}H{_RIGHT}"/>')
        return "".join(parts)

    def steps(self, mark: str, times: Sequence[float], values: Sequence[float]) -> str:
        """Draw a line; each value holds for the time before it."""
        points = "".join(
            f"V{self.y(value):.1f}H{self.x(until):.1f}" for _, until, value in _runs(times, values)
        )
        start = self.y(values[0]) if values else self.bottom
        return f'<path class="line {mark}" d="M{_LEFT} {start:.1f}{points}"/>'

    def area(self, mark: str, times: Sequence[float], values: Sequence[float]) -> str:
        """Fill from the axis up; each value holds for the time before it."""
        parts = [
            f"M{self.x(since):.1f} {self.bottom}V{self.y(value):.1f}H{self.x(until):.1f}"
            f"V{self.bottom}Z"
            for since, until, value in _runs(times, values)
            if value
        ]
        return f'<path class="{mark}" d="{"".join(parts)}"/>' if parts else ""


def svg(title: str, timeline: Sequence[Sample]) -> str:
    """Return panels above each other: questions, copies with their instances, Bedrock if asked."""
    times = [sample.time for sample in timeline]
    end = max(times, default=1.0)
    demand = [sample.questions_per_hour for sample in timeline]
    live = [float(sample.live) for sample in timeline]
    billed = [float(sample.billed) for sample in timeline]
    most = _even(max([1.0, *live, *billed]))
    asleep = [0.0 if sample.billed else most for sample in timeline]
    shares = [100 * sample.bedrock_share for sample in timeline]
    questions = _Panel(
        0,
        "Questions an hour that reach a model",
        round_up(max([1.0, *demand]), _WITH_ROUND_HALF),
        end,
    )
    keys = [_Key("live", "copies that serve", filled=False), _Key("billed", "instances billed")]
    if any(asleep):
        keys.append(_Key("asleep", "asleep"))
    copies = _Panel(1, "Capacity", most, end, keys)
    body = [
        questions.frame() + questions.steps("demand", times, demand),
        copies.area("asleep", times, asleep)
        + copies.area("billed", times, billed)
        + copies.frame()
        + copies.steps("live", times, live),
    ]
    if any(shares):
        bedrock = _Panel(2, "Share answered by Bedrock, percent", 100.0, end)
        body.append(bedrock.area("bedrock", times, shares) + bedrock.frame())
    height = _TOP + len(body) * (_HEIGHT + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_RIGHT + 16} {height - 24}" '
        'role="img" aria-labelledby="title description">'
        f'<title id="title">{escape(title)}</title>'
        f'<desc id="description">{_description(timeline)}</desc><style>{_STYLE}</style>'
        f'<text class="title" x="{_LEFT}" y="28">{escape(title)}</text>{"".join(body)}</svg>\n'
    )


def _description(timeline: Sequence[Sample]) -> str:
    """Return in words what the picture shows."""
    count = len(timeline)
    asleep = sum(not sample.billed for sample in timeline) / count
    by_bedrock = sum(sample.questions_per_hour * sample.bedrock_share for sample in timeline)
    asked = sum(sample.questions_per_hour for sample in timeline)
    return (
        f"{timeline[-1].time / _HOUR_S:,.0f} hours with up to "
        f"{max(sample.questions_per_hour for sample in timeline):,.0f} questions an hour. "
        f"{min(sample.live for sample in timeline)} to {max(sample.live for sample in timeline)} "
        f"copies serve; no instance is billed for {asleep:.0%} of the time. "
        f"Bedrock answers {by_bedrock / asked if asked else 0:.0%} of the questions."
    )


def _runs(times: Sequence[float], values: Sequence[float]) -> Iterator[tuple[float, float, float]]:
    """Yield each stretch of equal values: since when, until when, and the value."""
    since = 0.0
    for value, samples in groupby(zip(times, values, strict=True), key=lambda pair: pair[1]):
        *_, (until, _) = samples
        yield since, until, value
        since = until


def _ticks(end: float) -> Iterator[tuple[float, str]]:
    """Yield the times to mark: days of a week from Monday on, or hours of a shorter replay."""
    if end > 2 * _DAY_S:
        for day in range(math.ceil(end / _DAY_S)):
            yield day * _DAY_S, _DAYS[day % len(_DAYS)]
        return
    step = max(1, round(end / _HOUR_S / 12))
    for hour in range(0, math.ceil(end / _HOUR_S), step):
        yield hour * _HOUR_S, f"{hour} h"


def _even(value: float) -> float:
    return value + value % 2
