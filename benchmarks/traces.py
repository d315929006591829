"""Fetch public traces, and convert them to what ``python -m benchmarks simulator`` reads.

``python -m benchmarks.traces FOLDER``, then ``TRACES=FOLDER python -m benchmarks simulator``. Both
traces are of the Azure Public Dataset, licence CC BY 4.0: name it if you publish results (Patel et
al., Splitwise, ISCA 2024; Stojkovic et al., DynamoLLM, HPCA 2025).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.simulator import BIN_S, HOUR, TOKENS, WEEK

HOUR_URL = (
    "https://raw.githubusercontent.com/Azure/AzurePublicDataset/master/data/"
    "AzureLLMInferenceTrace_conv.csv"
)
WEEK_URL = (
    "https://github.com/Azure/AzurePublicDataset/releases/download/dataset-llm-2024/"
    "AzureLLMInferenceTrace_conv_1week.csv"
)
PERCENTILES = (5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 98)
_SUNDAY = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch both traces into a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traces", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hour", default=HOUR_URL, metavar="URL", help="of the trace of 2023")
    parser.add_argument("--week", default=WEEK_URL, metavar="URL", help="of the trace of 2024")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        with _fetched(options.hour) as file, gzip.open(options.folder / HOUR, "wb") as kept:
            shutil.copyfileobj(file.open("rb"), kept)
        with _fetched(options.week) as file:
            convert_week(file, options.folder)
    except (URLError, KeyError, ValueError) as error:
        print(f"a trace cannot be fetched or read: {error}", file=sys.stderr)
        return 1
    print(f"{HOUR}, {WEEK} and {TOKENS} are in {options.folder}: Azure Public Dataset, CC BY 4.0")
    return 0


@contextmanager
def _fetched(url: str) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "trace.csv"
        with urlopen(url, timeout=60) as answer, file.open("wb") as kept:
            shutil.copyfileobj(answer, kept)
        yield file


def convert_week(trace: Path, folder: Path) -> None:
    """Write the rates of a week from Sunday in bins of ten minutes, and the tokens' percentiles.

    Raises
    ------
    ValueError
        If the trace has no whole week that begins on a Sunday.
    """
    counts: Counter[int] = Counter()
    tokens: dict[str, Counter[int]] = {"input": Counter(), "output": Counter()}
    sunday, last = None, None
    with trace.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            last = datetime.fromisoformat(row["TIMESTAMP"][:19])
            if sunday is None:
                sunday = _next_sunday(last)
            counts[int((last - sunday).total_seconds() // BIN_S)] += 1
            tokens["input"][int(row["ContextTokens"])] += 1
            tokens["output"][int(row["GeneratedTokens"])] += 1
    bins = int(timedelta(weeks=1).total_seconds() / BIN_S)
    if not counts[bins - 1] or not counts[0]:
        raise ValueError(f"no whole week from a Sunday; the trace ends at {last}")
    rates = [[number * BIN_S, counts[number] * 60 / BIN_S] for number in range(bins)]
    _write(folder / WEEK, ["t_s", "requests_per_min"], rates)
    _write(
        folder / TOKENS,
        ["service", "field", "percentile", "tokens"],
        [
            ["conversation", field, percentile, _percentile(of_field, percentile)]
            for field, of_field in tokens.items()
            for percentile in PERCENTILES
        ],
    )


def _next_sunday(moment: datetime) -> datetime:
    """Return the Sunday that begins next, or that began within the last ten minutes."""
    midnight = (moment - timedelta(seconds=BIN_S)).replace(hour=0, minute=0, second=0)
    midnight += timedelta(days=1)
    return midnight + timedelta(days=(_SUNDAY - midnight.weekday()) % 7)


def _percentile(counts: Counter[int], percentile: int) -> int:
    values = sorted(counts)
    below = accumulate(counts[value] for value in values)
    least = counts.total() * percentile / 100
    return next(value for value, seen in zip(values, below, strict=True) if seen >= least)


def _write(file: Path, columns: list[str], rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as kept:
        csv.writer(kept).writerows([columns, *rows])


if __name__ == "__main__":
    sys.exit(main())
