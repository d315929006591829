"""Charts as inline SVG: no script, no font, no file beside the page.

Everything is drawn for a width of 360 units, a phone's, so that text stays readable there. Colours
are the page's CSS variables and follow its light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

from sustainability.facts.ranges import Estimate
from sustainability.report.text import amount

WIDTH = 360
"""Units across a drawing."""
_ROW = 40
_LABEL = 30
"""Longest label, in characters, that leaves space for the value on a phone."""
_numbers = count(1)


@dataclass(frozen=True)
class Bar:
    """One row: a value with its range."""

    label: str
    value: Estimate


@dataclass(frozen=True)
class Line:
    """One series: points of x and y."""

    label: str
    points: Sequence[tuple[float, float]]


def bars(title: str, rows: Sequence[Bar], unit: str) -> str:
    """Draw horizontal bars up to the middle estimate, with the range as a whisker.

    Several equal bars are a sentence instead.
    """
    shown = {amount(row.value.mid) for row in rows}
    if len(rows) > 1 and len(shown) == 1:  # equal bars say nothing that a sentence does not
        return f"<p>All {len(rows)} are equal: {shown.pop()} {escape(unit)}.</p>"
    longest = max((row.value.high for row in rows), default=0) or 1
    parts = []
    for index, row in enumerate(rows):
        top = index * _ROW
        end, low, high = (
            WIDTH * value / longest for value in (row.value.mid, row.value.low, row.value.high)
        )
        middle = top + 26
        parts.append(
            f'<text x="0" y="{top + 14}">{escape(_short(row.label))}</text>'
            f'<text x="{WIDTH}" y="{top + 14}" class="value">{amount(row.value.mid)} '
            f"{escape(unit)}</text>"
            f'<rect x="0" y="{top + 20}" width="{end:.1f}" height="12" rx="2" class="bar"/>'
        )
        if row.value.low < row.value.high:
            parts.append(
                f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
                f'M{high:.1f} {middle - 4}v8" class="range"/>'
            )
    described = "; ".join(f"{row.label}: {amount(row.value.mid)} {unit}" for row in rows)
    return svg(title, described, len(rows) * _ROW, "".join(parts))


def tornado(title: str, rows: Sequence[Bar], unit: str) -> str:
    """Draw how each row changes a result, from its low to its high, around the common middle."""
    if not rows:
        return ""
    first = min(row.value.low for row in rows)
    span = max(row.value.high for row in rows) - first or 1
    centre = WIDTH * (rows[0].value.mid - first) / span
    parts = []
    for index, row in enumerate(rows):
        top = index * _ROW
        start, end = (WIDTH * (value - first) / span for value in (row.value.low, row.value.high))
        parts.append(
            f'<text x="0" y="{top + 14}">{escape(_short(row.label))}</text>'
            f'<text x="{WIDTH}" y="{top + 14}" class="value">{amount(row.value.low)} to '
            f"{amount(row.value.high)}</text>"
            f'<rect x="{start:.1f}" y="{top + 20}" width="{end - start:.1f}" height="12" rx="2" '
            f'class="bar"/><path d="M{centre:.1f} {top + 18}v16" class="centre"/>'
        )
    height = len(rows) * _ROW
    described = "; ".join(
        f"{row.label}: {amount(row.value.low)} to {amount(row.value.high)} {unit}" for row in rows
    )
    return svg(title, described, height, "".join(parts))


def lines(title: str, series: Sequence[Line], x_label: str, y_label: str) -> str:
    """Draw series on two logarithmic axes; colour and dashes distinguish them."""
    left, right, bottom, height = 56, WIDTH - 26, 210, 250
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points if y > 0]
    x_at = _log_scale(min(xs), max(xs), left, right)
    y_at = _log_scale(min(ys), max(ys), bottom, 10)
    parts = []
    for x in _decades(min(xs), max(xs)):
        parts.append(
            f'<path d="M{x_at(x):.1f} 10V{bottom}" class="grid"/>'
            f'<text x="{x_at(x):.1f}" y="{bottom + 15}" class="tick">{_compact(x)}</text>'
        )
    for y in _decades(min(ys), max(ys)):
        parts.append(
            f'<path d="M{left} {y_at(y):.1f}H{right}" class="grid"/>'
            f'<text x="{left - 5}" y="{y_at(y) + 4:.1f}" class="value">{y:,.10g}</text>'
        )
    marks = styles([line.label for line in series])
    for mark, line in zip(marks, series, strict=True):
        path = "L".join(f"{x_at(x):.1f} {y_at(y):.1f}" for x, y in line.points if y > 0)
        parts.append(f'<path d="M{path}" class="line s{mark}"/>')
    parts.append(
        f'<text x="{(left + right) / 2:.0f}" y="{height - 4}" class="tick">{escape(x_label)}</text>'
        f'<text x="0" y="2" class="small">{escape(y_label)}</text>'
    )
    described = f"{y_label} by {x_label}: " + ", ".join(line.label for line in series)
    return svg(title, described, height, "".join(parts)) + legend([line.label for line in series])


def _compact(value: float) -> str:
    """Return a power of ten so short that it fits between its neighbours on an axis."""
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:,.0f}{sign}"
    return f"{value:,.0f}"


_MEANINGS = {
    "answer cache": 0,
    "endpoint": 1,
    "ml.inf2": 1,
    "bedrock flex": 3,
    "bedrock": 2,
    "ml.": 4,
    "knowledge store": 5,
    "batch": 5,
}
"""The style of a line by the beginning of its label: a colour means the same in every chart."""


@dataclass(frozen=True)
class Dot:
    """A point of a drawing by :func:`dots`; one that is ``chosen`` is filled."""

    label: str
    x: float
    y: float
    chosen: bool


def dots(title: str, entries: Sequence[Dot], x_label: str, y_label: str) -> str:
    """Draw numbered points over a horizontal axis from zero and a vertical one from 0 to 1."""
    left, right, bottom, height = 56, WIDTH - 26, 210, 250
    longest = round_up(max((dot.x for dot in entries), default=0) or 1)
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y, x = bottom - share * (bottom - 10), left + share * (right - left)
        parts.append(
            f'<path d="M{left} {y:.1f}H{right}" class="grid"/>'
            f'<text x="{left - 8}" y="{y + 4:.1f}" class="value">{share:g}</text>'
            f'<text x="{x:.1f}" y="{bottom + 15}" class="tick">{amount(share * longest)}</text>'
        )
    for number, dot in enumerate(entries, start=1):
        x, y = left + dot.x / longest * (right - left), bottom - dot.y * (bottom - 10)
        fill = "currentColor" if dot.chosen else "none"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="currentColor"/>'
            f'<text x="{x + 8:.1f}" y="{y - 6:.1f}">{number}</text>'
        )
    parts.append(
        f'<text x="{(left + right) / 2:.0f}" y="{height - 4}" class="tick">{escape(x_label)}</text>'
        f'<text x="0" y="2" class="small">{escape(y_label)}</text>'
    )
    told = "; ".join(f"{dot.label}: {amount(dot.x)}, {dot.y:.2f}" for dot in entries)
    listed = "".join(f"<li>{escape(dot.label)}</li>" for dot in entries)
    return svg(title, told, height, "".join(parts)) + f"<ol>{listed}</ol>"


def styles(labels: Sequence[str]) -> list[int]:
    """Return the style of each line; a label without a meaning gets one that is free."""
    meant = [
        next((style for word, style in _MEANINGS.items() if label.lower().startswith(word)), None)
        for label in labels
    ]
    free = iter([style for style in range(len(labels) + 6) if style not in meant])
    used: set[int] = set()
    found = []
    for style in meant:
        mark = next(free) if style is None or style in used else style
        used.add(mark)
        found.append(mark)
    return found


def legend(labels: Sequence[str]) -> str:
    """Return the legend of the lines, in the order in which they were drawn."""
    items = "".join(
        f'<li><svg viewBox="0 0 30 8" aria-hidden="true"><path d="M0 4H30" class="line s{mark}"/>'
        f"</svg>{escape(label)}</li>"
        for mark, label in zip(styles(labels), labels, strict=True)
    )
    return f'<ul class="legend">{items}</ul>'


def _short(label: str) -> str:
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _log_scale(first: float, last: float, start: float, end: float) -> Callable[[float], float]:
    low, high = math.log10(first), math.log10(last)
    span = high - low or 1
    return lambda value: start + (math.log10(value) - low) / span * (end - start)


def _decades(first: float, last: float) -> list[float]:
    return [
        10.0**power
        for power in range(math.ceil(math.log10(first)), math.floor(math.log10(last)) + 1)
    ]


def round_up(value: float, factors: Sequence[int] = (1, 2, 5, 10)) -> float:
    """Return the next round number: a power of ten times one of ``factors``, 10 the last."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in factors if factor * power >= value)


def svg(title: str, described: str, height: float, body: str) -> str:
    """Return a drawing as wide as a phone, with a title and a description for screen readers."""
    number = next(_numbers)
    return (
        f'<svg viewBox="0 -10 {WIDTH} {height + 10}" role="img" '
        f'aria-labelledby="t{number} d{number}">'
        f'<title id="t{number}">{escape(title)}</title>'
        f'<desc id="d{number}">{escape(described)}</desc>'
        f"{body}</svg>"
    )
