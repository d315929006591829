"""A replay as a picture: demand, capacity and sleeping over time, in one self-contained SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sustainability.simulation.outcome import Sample

_LEFT, _RIGHT, _TOP = 64, 944, 64
_HEIGHT, _GAP = 140, 48
_DAY_S = 86400
_STYLE = """
svg{font:13px system-ui,sans-serif;background:#fff}text{fill:#26302b}
.title{font-size:16px;font-weight:600}.tick{fill:#66716b;font-size:11px}
.grid{stroke:#e2e6e4;fill:none}.line{fill:none;stroke-width:1.5}
.demand{stroke:#2c6e5d}.live{stroke:#a4551e}.billed{fill:#f1ddcb}.bedrock{fill:#bcc6ee}
@media(prefers-color-scheme:dark){svg{background:#111614}text{fill:#e1e8e4}.tick{fill:#a3b0a9}
.grid{stroke:#2b3430}.demand{stroke:#71c3a9}.live{stroke:#e2a173}.billed{fill:#4d3828}
.bedrock{fill:#3f4c86}}
"""


@dataclass(frozen=True)
class _Panel:
    """A stretch of the picture with its own scale."""

    number: int
    label: str
    highest: float
    end: float

    @property
    def bottom(self) -> float:
        return _TOP + self.number * (_HEIGHT + _GAP) + _HEIGHT

    def x(self, time: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * time / self.end

    def y(self, value: float) -> float:
        return self.bottom - _HEIGHT * value / self.highest

    def frame(self) -> str:
        parts = [f'<text x="{_LEFT}" y="{self.bottom - _HEIGHT - 10}">{escape(self.label)}</text>']
        for share in (0.0, 0.5, 1.0):
            y = self.y(share * self.highest)
            value = share * self.highest
            parts.append(
                f'<path class="grid" d="M{_LEFT} {y:.1f}H{_RIGHT}"/><text class="tick" '
                f'text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{value:,.4g}</text>'
            )
        for day in range(int(self.end // _DAY_S) + 1):
            x = self.x(day * _DAY_S)
            parts.append(
                f'<path class="grid" d="M{x:.1f} {self.bottom - _HEIGHT}V{self.bottom}"/>'
                f'<text class="tick" x="{x + 2:.1f}" y="{self.bottom + 14}">day {day + 1}</text>'
            )
        return "".join(parts)

    def line(self, name: str, times: Sequence[float], values: Sequence[float]) -> str:
        points = "L".join(
            f"{self.x(time):.1f} {self.y(value):.1f}"
            for time, value in zip(times, values, strict=True)
        )
        return f'<path class="line {name}" d="M{points}"/>'

    def area(self, name: str, times: Sequence[float], values: Sequence[float]) -> str:
        """Fill from the axis up; each value holds for the time before it."""
        before, parts = 0.0, []
        for time, value in zip(times, values, strict=True):
            if value:
                x, y = self.x(before), self.y(value)
                parts.append(f"M{x:.1f} {self.bottom}V{y:.1f}H{self.x(time):.1f}V{self.bottom}Z")
            before = time
        return f'<path class="{name}" d="{"".join(parts)}"/>' if parts else ""


def svg(title: str, timeline: Sequence[Sample]) -> str:
    """Return three panels above each other: questions, copies with their instances, Bedrock."""
    times = [sample.time for sample in timeline]
    end = max(times, default=1.0)
    demand = [sample.questions_per_hour for sample in timeline]
    live = [float(sample.live) for sample in timeline]
    billed = [float(sample.billed) for sample in timeline]
    shares = [100 * sample.bedrock_share for sample in timeline]
    questions = _Panel(0, "questions per hour", max([1.0, *demand]), end)
    copies = _Panel(
        1, "copies that serve (line), instances billed (area)", max([1.0, *live, *billed]), end
    )
    bedrock = _Panel(2, "share answered by Bedrock, percent", 100.0, end)
    body = (
        questions.frame() + questions.line("demand", times, demand),
        copies.area("billed", times, billed) + copies.frame() + copies.line("live", times, live),
        bedrock.area("bedrock", times, shares) + bedrock.frame(),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_RIGHT + 16} '
        f'{bedrock.bottom + 28:.0f}" role="img"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>"
        f'<text class="title" x="{_LEFT}" y="26">{escape(title)}</text>{"".join(body)}</svg>\n'
    )
