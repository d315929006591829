"""Recorded traffic: single questions or request rates, from CSV files."""

from __future__ import annotations

import csv
import gzip
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from sustainability.deployment.schema import HOURS_OF_WEEK, Deployment
from sustainability.errors import UserError
from sustainability.plan.week import steady
from sustainability.simulation.traffic import WEEK_SECONDS, Rates, Request, Traffic

_RATE = "requests_per_"
_PER_HOUR = {"s": 3600.0, "min": 60.0, "hour": 1.0}
_BIN_SECONDS = 600.0
_A_MONDAY = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Rows = Iterator[tuple[int, dict[str, str]]]


class TrafficError(UserError):
    """Traffic that cannot be read. Names the file, the line and what was expected."""


def read_trace(path: Path) -> Iterator[Request]:
    """Yield the questions of a trace, plain or gzipped CSV; time begins with the first.

    The columns are ``TIMESTAMP,ContextTokens,GeneratedTokens``, as in the Azure LLM inference
    traces, or ``t_s,in_tokens,out_tokens`` with seconds.

    Raises
    ------
    TrafficError
        If a row cannot be read or goes back in time.
    """
    with _table(path) as (columns, rows):
        names = next((names for names in _SECONDS if set(names) <= set(columns)), None)
        if names is None:
            raise TrafficError(
                f"{path}: a trace needs the columns {' or '.join(map(','.join, _SECONDS))}; "
                f"this one has {','.join(columns)}"
            )
        seconds = _SECONDS[names]
        time, tokens_in, tokens_out = names
        start, last = math.nan, 0.0
        for line, row in rows:
            with _naming(path, line):
                moment = _field(row, time, seconds)
                start = moment if math.isnan(start) else start
                request = Request(
                    moment - start,
                    _field(row, tokens_in, _number),
                    _field(row, tokens_out, _number),
                )
                if request.time < last:
                    raise ValueError(f"{time}: {row[time]} is before the line above")
            last = request.time
            yield request


def read_rates(path: Path) -> Rates:
    """Read a rate curve: ``t_s``, and ``requests_per_s``, ``…_min`` or ``…_hour``.

    The name may go on, as in ``requests_per_min_mid``; of several such columns the first counts.

    Raises
    ------
    TrafficError
        If a row cannot be read or the intervals differ.
    """
    with _table(path) as (columns, rows):
        column = next((name for name in columns if name.startswith(_RATE)), "")
        unit = _PER_HOUR.get(column.removeprefix(_RATE).split("_")[0])
        if "t_s" not in columns or unit is None:
            raise TrafficError(
                f"{path}: a rate curve needs the columns t_s and requests_per_s, requests_per_min "
                f"or requests_per_hour; this one has {','.join(columns)}"
            )
        times: list[float] = []
        per_hour: list[float] = []
        for line, row in rows:
            with _naming(path, line):
                times.append(_field(row, "t_s", _number))
                per_hour.append(_field(row, column, _number) * unit)
                if len(times) > 1 and not math.isclose(
                    times[-1] - times[-2], times[1] - times[0], rel_tol=0.01
                ):
                    raise ValueError("t_s: the interval differs from the first; all must be equal")
    if len(times) < 2 or times[1] <= times[0] or not any(per_hour):
        raise TrafficError(
            f"{path}: a rate curve needs at least two rows, in order of time, and some traffic"
        )
    return Rates(times[1] - times[0], tuple(per_hour))


def is_rate_curve(path: Path) -> bool:
    """Return whether ``path`` contains rates instead of single questions."""
    with _table(path) as (columns, _):
        return any(name.startswith(_RATE) for name in columns)


def recorded(path: Path, *, most_tokens: float = math.inf, start: float | None = None) -> Traffic:
    """Return a trace as traffic. The file is read anew for each replay.

    No answer is longer than ``most_tokens``. ``start`` is the second of the week at which the trace
    begins; by default that of its first time stamp, or Monday 0:00 if its times have no date.

    Raises
    ------
    TrafficError
        If the file is no trace, or an empty one.
    """
    newest = deque(read_trace(path), maxlen=1)
    if not newest:
        raise TrafficError(f"{path}: no questions")

    def requests() -> Iterator[Request]:
        return (
            request._replace(output_tokens=min(most_tokens, request.output_tokens))
            for request in read_trace(path)
        )

    return Traffic(requests, newest[0].time, _second_of_week(path) if start is None else start)


def _second_of_week(path: Path) -> float:
    """Return the second of the week of the first time stamp; 0 if the times have no date."""
    with _table(path) as (columns, rows):
        if "TIMESTAMP" not in columns:
            return 0.0
        line, row = next(rows)
        with _naming(path, line):
            return (_timestamp(row["TIMESTAMP"]) - _A_MONDAY) % WEEK_SECONDS


def rates_of(traffic: Traffic) -> Rates:
    """Return the request rate of ``traffic`` in intervals of ten minutes."""
    counts = [0] * (int(traffic.duration // _BIN_SECONDS) + 1)
    for request in traffic.requests():
        counts[int(request.time // _BIN_SECONDS)] += 1
    return Rates(_BIN_SECONDS, tuple(count * 3600 / _BIN_SECONDS for count in counts))


def declaring(
    deployment: Deployment,
    rates: Rates,
    *,
    variation: float | None = None,
    start: float = 0.0,
) -> Deployment:
    """Return the deployment with ``rates`` as its declared week, hour by hour.

    They begin ``start`` seconds after Monday 0:00.

    Each hour has its mean. Its peak is what stands out from the course of the means, which change
    steadily from the middle of one hour to that of the next. A curve shorter than a week repeats.
    ``variation`` is that of the time between two questions, if it shall be another.
    """
    hours, first = max(1, round(rates.duration / 3600)), int(start // 3600)
    of_hour = [
        min(hours - 1, int(number * rates.interval / 3600)) for number in range(len(rates.per_hour))
    ]
    found: list[list[float]] = [[] for _ in range(hours)]
    for hour, rate in zip(of_hour, rates.per_hour, strict=True):
        found[hour].append(rate)
    means = [sum(parts) / len(parts) for parts in found]
    above = [1.0] * hours
    for number, (hour, rate) in enumerate(zip(of_hour, rates.per_hour, strict=True)):
        usual = steady(means, (number + 0.5) * rates.interval / 3600)
        if usual:
            above[hour] = max(above[hour], rate / usual)
    periods = [
        {
            "days": _DAYS[hour // 24],
            "hours": f"{hour % 24}-{hour % 24 + 1}",
            "mean_per_hour": means[number],
            "peak_per_hour": means[number] * above[number],
        }
        for hour in range(HOURS_OF_WEEK)
        for number in [(hour - first) % HOURS_OF_WEEK % hours]
    ]
    traffic = {**dict(deployment.traffic), "periods": periods}
    if variation is not None:
        traffic["arrival_variation"] = variation
    return Deployment.model_validate({**dict(deployment), "traffic": traffic})


def _field(row: dict[str, str], name: str, read: Callable[[str], float]) -> float:
    """Return a field as a number; an error names it."""
    try:
        return read(row[name])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is not a number of zero or more")
    return value


def _timestamp(text: str) -> float:
    """Return the seconds of a timestamp such as ``2023-11-16 18:15:46.6805900``."""
    whole, _, fraction = text.strip().partition(".")
    digits = fraction.partition("+")[0].removesuffix("Z")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)  # whatever zone the reader is in
    return moment.timestamp() + float(f"0.{digits or 0}")


_SECONDS: dict[tuple[str, str, str], Callable[[str], float]] = {
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"): _timestamp,
    ("t_s", "in_tokens", "out_tokens"): _number,
}
"""The columns of each kind of trace, and how its times are read."""


@contextmanager
def _table(path: Path) -> Iterator[tuple[list[str], _Rows]]:
    """Open a CSV file, plain or gzipped; lines that begin with ``#`` are comments."""
    try:
        with _opened(path) as lines:
            comments = 0

            def data() -> Iterable[str]:
                nonlocal comments
                for line in lines:
                    if line.startswith("#"):
                        comments += 1
                    else:
                        yield line

            reader = csv.DictReader(data(), restval="")
            columns = list(reader.fieldnames or ())
            yield columns, ((reader.line_num + comments, row) for row in reader)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise TrafficError(f"{path}: cannot be read as CSV: {error}") from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


@contextmanager
def _naming(path: Path, line: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError) as error:
        raise TrafficError(f"{path}:{line}: {error}") from error
