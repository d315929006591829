"""Charts over time: columns and lines that show gaps where values are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from sustainability.facts.ranges import Estimate
from sustainability.report.charts import WIDTH, legend, round_up, styles, svg
from sustainability.report.text import amount

_LEFT, _TOP, _BOTTOM, _HEIGHT = 46, 16, 150, 170
_NOTHING = "no record"


@dataclass(frozen=True)
class Course:
    """One line of a chart; ``None`` where a value is missing."""

    label: str
    values: Sequence[Estimate | None]


def columns(
    title: str,
    times: Sequence[str],
    values: Sequence[Estimate | None],
    unit: str,
    *,
    missing: Sequence[float],
) -> str:
    """Draw a column up to the middle estimate of each value, with its range as a whisker.

    ``missing`` is the share of each period without records, 0 to 1; this part is shaded.
    """
    top = max((value.high for value in values if value is not None), default=0)
    step = (WIDTH - _LEFT) / max(len(values), 1)
    wide = max(step * 0.7, 0.8)
    scale = _Scale(top)
    parts = [scale.axis(unit), _times(times)]
    for index, value in enumerate(values):
        middle = _LEFT + (index + 0.5) * step
        if missing[index]:
            parts.append(_gap(middle - step / 2, step, missing[index]))
        if value is None:
            continue
        at, low, high = map(scale, (value.mid, value.low, value.high))
        parts.append(
            f'<rect x="{middle - wide / 2:.1f}" y="{at:.1f}" width="{wide:.1f}" '
            f'height="{_BOTTOM - at:.1f}" class="bar"/>'
        )
        if value.low < value.high:
            parts.append(f'<path d="M{middle:.1f} {low:.1f}V{high:.1f}" class="range thin"/>')
    return svg(title, _described(times, [Course(unit, values)]), _HEIGHT, "".join(parts))


def course(
    title: str, times: Sequence[str], series: Sequence[Course], unit: str, top: float | None = None
) -> str:
    """Draw lines with gaps where values are missing; the range of a single line is shaded."""
    known = [value for line in series for value in line.values if value is not None]
    single = len(series) == 1
    highest = max((value.high if single else value.mid for value in known), default=0)
    scale = _Scale(top or highest)
    step = (WIDTH - _LEFT) / max(len(times), 1)
    parts = [scale.axis(unit), _times(times)]
    for mark, line in zip(styles([line.label for line in series]), series, strict=True):
        runs = groupby(enumerate(line.values), key=lambda item: item[1] is None)
        for unknown, run in runs:
            points = [(index, value) for index, value in run if value is not None]
            if unknown:
                continue
            across = [_LEFT + (index + 0.5) * step for index, _ in points]
            mids = [scale(value.mid) for _, value in points]
            if single:
                highs = [scale(value.high) for _, value in points]
                lows = [scale(value.low) for _, value in points]
                outline = [*zip(across, highs, strict=True)]
                outline += [*zip(reversed(across), reversed(lows), strict=True)]
                parts.append(f'<path d="{_path(outline)}Z" class="band"/>')
            # A stroke of no length is a dot: a day between two gaps.
            drawn = [*zip(across, mids, strict=True), (across[-1] + 0.01, mids[-1])]
            parts.append(f'<path d="{_path(drawn)}" class="line s{mark}" stroke-linecap="round"/>')
    drawing = svg(title, _described(times, series), _HEIGHT, "".join(parts))
    named = not single or series[0].label != unit
    return drawing + legend([line.label for line in series]) if named else drawing


_LEAST = 1e-300
"""Smaller values cannot be divided by three without becoming zero."""


class _Scale:
    """Converts values to heights in the drawing; the axis begins at zero."""

    def __init__(self, top: float) -> None:
        seen = top > _LEAST
        self._step = round_up(top / 3) if seen else 1.0
        self._top = math.ceil(top / self._step - 1e-9) * self._step if seen else 1.0

    def __call__(self, value: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * min(value / self._top, 1)

    def axis(self, unit: str) -> str:
        steps = round(self._top / self._step)
        lines = (
            f'<path d="M{_LEFT} {self(value):.1f}H{WIDTH}" class="grid"/>'
            f'<text x="{_LEFT - 5}" y="{self(value) + 4:.1f}" class="value">{amount(value)}</text>'
            for value in (self._step * number for number in range(steps + 1))
        )
        return "".join(lines) + f'<text x="0" y="2" class="small">{escape(unit)}</text>'


def _times(times: Sequence[str]) -> str:
    """Label the first, the middle and the last time."""
    if not times:
        return ""
    named = {0: "small", (len(times) - 1) // 2: "tick", len(times) - 1: "small value"}
    step = (WIDTH - _LEFT) / len(times)
    anchors = {"small": 0.0, "tick": 0.5, "small value": 1.0}
    return "".join(
        f'<text x="{_LEFT + (index + anchors[kind]) * step:.1f}" y="{_BOTTOM + 16}" '
        f'class="{kind}">{escape(times[index])}</text>'
        for index, kind in named.items()
    )


def _gap(left: float, width: float, share: float) -> str:
    return (
        f'<rect x="{left:.1f}" y="{_TOP}" width="{width:.1f}" '
        f'height="{(_BOTTOM - _TOP) * share:.1f}" class="gap"/>'
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.2f} {y:.1f}" for x, y in points)


def _described(times: Sequence[str], series: Sequence[Course]) -> str:
    """Describe the first value, the last value and the gaps; the page has all values in a table."""
    told = []
    for line in series:
        known = [(t, v) for t, v in zip(times, line.values, strict=True) if v is not None]
        gaps = len(times) - len(known)
        if known:
            (first, was), (last, now) = known[0], known[-1]
            told.append(f"{line.label}: {amount(was.mid)} on {first}, {amount(now.mid)} on {last}")
        else:
            told.append(f"{line.label}: {_NOTHING}")
        if gaps:
            told[-1] += f"; {gaps} of {len(times)} without"
    return ". ".join(told)
