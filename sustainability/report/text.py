"""Numbers and tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from sustainability.facts.ranges import Estimate

_SMALL = 0.001


def amount(value: float) -> str:
    """Return a number with three significant digits, never in scientific notation."""
    if value == 0:
        return "0"
    if abs(value) < _SMALL:
        return f"<{_SMALL}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = f"{value:#.3g}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def spread(estimate: Estimate) -> str:
    """Return the middle estimate and, if there is one, the range: ``12 (8 to 17)``."""
    if estimate.low == estimate.high:
        return amount(estimate.mid)
    return f"{amount(estimate.mid)} ({amount(estimate.low)} to {amount(estimate.high)})"


def percent(share: float) -> str:
    """Return a change as a signed percentage, or as a factor from 11 times upwards."""
    if share == float("inf"):
        return "from nothing"
    return f"x {1 + share:,.0f}" if share >= 10 else f"{share:+.0%}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return a table with aligned columns: the first ``left`` to the left, others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, rows)])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column aligned left, the others right."""
    rule = [":--", *["--:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
