"""Breaks the embedded AWS on purpose, and prints what became of its documents and answers.

Each fault happens while documents are added, changed and deleted, and while somebody asks. Then
nobody helps. Passages in the index are held against the documents, told states against passages,
and one answer against its document. Exit code 1 says that a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from local.embedded import EmbeddedAws, free_ports
from tests.chaos.faults import FAULTS, SIZES, NotHere
from tests.chaos.world import FOLDER, Outcome, World

_BACK_S = 120
_PAGE = """\
# What was broken on purpose

<!-- Generated: python -m tests.chaos --page docs/chaos.md -->

Each fault happened in the embedded AWS while documents were added, changed and deleted, and while \
somebody asked all the time. Then nobody helped, but for the next `make up` where a server or a \
file was destroyed. Afterwards the passages in the index were held against the documents, and \
each state that was told against the passages. `make chaos` does it again.

{table}

- **Lost**: passages that should be in the index and are not. **Stale**: passages that should not \
be there any more, or are there twice. **Told wrongly**: documents whose state was not true, and \
answers that were not. **Unexplained**: errors of the API without `error.code` or with the code \
`internal`, or without `Retry-After` where waiting helps. What API Gateway itself answers has no \
form that one could choose, and is not counted.
- **Back**: the longest time from the end of the fault until everything was complete, in seconds. \
The bar is 120.
- Each row is from the last run that came to it; one that was tried 0 times waits for its first. \
`--only` runs some rows, `--list` names all.
"""


def main() -> int:
    """Run the faults, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="TEXT",
        help="faults whose names contain this; several, in this order, with commas",
    )
    parser.add_argument("--list", action="store_true", help="name the faults, and break nothing")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--minutes", type=float, default=25, help="begin no fault after these (default: 25)"
    )
    parser.add_argument("--times", type=int, default=1, help="times each is tried (default: 1)")
    parser.add_argument(
        "--many", type=int, default=200, help="documents of the flood, such as 5000 (default: 200)"
    )
    parser.add_argument(
        "--every-pair", action="store_true", help="update every example into every other (1 h)"
    )
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    parser.add_argument(
        "--page", type=Path, help="write what was found into this page of the documentation"
    )
    options = parser.parse_args()
    SIZES.update(many=options.many, every_pair=options.every_pair)
    parts = [part.strip() for part in (options.only or "").split(",")]
    names = list(dict.fromkeys(name for part in parts for name in FAULTS if part in name))
    if not names:
        parser.error(f"no fault contains {options.only!r}; see --list")
    if options.list:
        print("\n".join(names))
        return 0
    deadline = time.monotonic() + 60 * options.minutes
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    for name, outcome in _run(names, options.seed, options.times, deadline):
        outcomes[name].append(outcome)
        if options.page:
            options.page.write_text(_PAGE.format(table=_table(_merged(options.page, outcomes))))
    rows = {name: _row(name, tried) for name, tried in outcomes.items()}
    if options.json:
        print(json.dumps({n: [asdict(o) for o in each] for n, each in outcomes.items()}, indent=2))
    else:
        print(_table(rows))
    return int(any(not _held(each) for tried in outcomes.values() for each in tried))


def _run(names: list[str], seed: int, times: int, deadline: float) -> Iterator[tuple[str, Outcome]]:
    """Break everything named, and yield what became of it; begin nothing after the deadline."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        embedded = EmbeddedAws(Path(folder) / "state", free_ports(), cold_start_s=2)
        world = World(embedded, seed)
        try:
            world.up()
            with embedded.alone(AWS_DEFAULT_REGION="eu-north-1"):
                world.some_changes(12)
                world.judge(Outcome())
                for number, name in enumerate(names, 1):
                    for _ in range(times):
                        if time.monotonic() > deadline:
                            print(f"{name}: no time left; see --only", file=sys.stderr)
                            break
                        print(f"{number} of {len(names)}:", end=" ", file=sys.stderr)
                        if outcome := _try(name, world):
                            yield name, outcome
        finally:
            embedded.forget()
            shutil.rmtree(FOLDER, ignore_errors=True)


def _try(name: str, world: World) -> Outcome | None:
    outcome = Outcome()
    print(f"{name} …", end=" ", file=sys.stderr, flush=True)
    try:
        with world.asked(outcome):
            FAULTS[name](world)
            world.send_again()
            world.judge(outcome)
    except NotHere as reason:
        print(f"not here: {reason}", file=sys.stderr)
        return None
    except Exception as error:  # the other faults are still tried
        traceback.print_exc()
        outcome.told_wrongly += 1
        outcome.notes.append(f"{type(error).__name__}: {error}")
        with suppress(Exception):
            world.up()
    world.heal()
    print(_row(name, [outcome]), *dict.fromkeys(outcome.notes), sep="\n  ", file=sys.stderr)
    return outcome


def _held(outcome: Outcome) -> bool:
    wrong = outcome.lost + outcome.stale + outcome.told_wrongly + outcome.unexplained
    return not wrong and outcome.seconds <= _BACK_S


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(
        [
            "| Fault | Tried | Lost | Stale | Told wrongly | Unexplained | Back |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows.values(),
        ]
    )


def _merged(page: Path, outcomes: Mapping[str, list[Outcome]]) -> dict[str, str]:
    """Return a row for each fault: from this run, or as the page has it."""
    before = {
        line.split("|")[1].strip(): line
        for line in (page.read_text() if page.exists() else "").splitlines()
        if line.startswith("| ")
    }
    rows = {name: before.get(name, _row(name, [])) for name in FAULTS}
    return rows | {name: _row(name, tried) for name, tried in outcomes.items() if tried}


def _row(name: str, tried: list[Outcome]) -> str:
    if not tried:
        return f"| {name} | 0 | - | - | - | - | - |"
    sums = (
        str(sum(getattr(each, column) for each in tried))
        for column in ("lost", "stale", "told_wrongly", "unexplained")
    )
    back = max(each.seconds for each in tried)
    return f"| {name} | {len(tried)} | {' | '.join(sums)} | {back:.0f} s |"


if __name__ == "__main__":
    sys.exit(main())
