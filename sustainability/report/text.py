"""Numbers and tables in plain text."""

from __future__ import annotations

import textwrap
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


_ROOMS = {
    "llm": "LLM",
    "power": "power",
    "prices": "price",
    "workload": "workload",
    "models": "model",
    "grid": "grid",
    "regions": "Region",
}
"""What the tables of facts are about, where their name does not say it."""
_WORDS = {
    "gpu": "GPU", "usd": "USD", "kb": "kB", "s3": "S3", "api": "API", "pue": "PUE", "cpu": "CPU",
    "vcpu": "vCPU",
}  # fmt: skip


def in_words(path: str) -> str:
    """Return the path of a fact as words: ``llm/gpu_time/fit`` is *language models: GPU time, fit*.

    Names with digits or dots, as of models and instance types, stay as they are.
    """
    room, _, rest = path.partition("/")
    parts = [
        part
        if "." in part or ":" in part or "-" in part
        else " ".join(_WORDS.get(word, word) for word in part.split("_"))
        for part in rest.split("/")
    ]
    return f"{_ROOMS.get(room, room.replace('_', ' '))}: {', '.join(parts)}"


def energy_unit(kwh: float) -> str:
    """Return the unit of a table: that in which its largest value has a readable size."""
    return "kWh" if kwh >= 1 else "Wh"


def in_unit(kwh: Estimate, unit: str) -> Estimate:
    """Return an energy in the unit of its table."""
    return kwh if unit == "kWh" else kwh * 1000


def fitted(text: str, width: int = 100) -> str:
    """Return text with its sentences broken into lines; tables stay as they are."""
    blocks = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if not any(line and set(line) <= {"-", " "} for line in lines):
            lines = [part for line in lines for part in _broken(line, width)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _broken(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        drop_whitespace=True, replace_whitespace=False,
    ) or [line]  # fmt: skip


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
