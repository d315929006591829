"""``python -m training.gate``: judge whether a tuned model may replace the rung below.

Reads what `training.train` and `training.evaluate` wrote, and writes ``verdict.json``. A model
that is not better is a result, so the job ends well either way.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import job
from training.job import JobError

_LEAST_QUESTIONS = 20
"""With fewer, one question is more than five points."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the tuned model passes, and what was found, in words."""

    passed: bool
    finding: str


def main() -> int:
    """Judge; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.gate", description=__doc__)
    parser.add_argument("--margin", type=float, default=0.02, help="share of questions, 0 to 1")
    parser.add_argument("--grams-per-kwh", type=float, default=math.nan, help="of the grid")
    asked = parser.parse_args()
    scores = _read(job.processing("input", "scores") / "scores.json")
    metrics = _read(job.processing("input", "tuned") / "metrics.json")
    verdict = judge(scores["tuned"], scores["below"], margin=asked.margin)
    spent = [part["energy"]["wh"] for part in (metrics, scores)]
    wh = None if None in spent else sum(spent)
    job.write_json(
        job.processing("output", "verdict") / "verdict.json",
        {
            "passed": verdict.passed,
            "finding": verdict.finding,
            # The registry keeps words, and these among them.
            "score": f"{scores['tuned']['score']:.3f}",
            "score_below": f"{scores['below']['score']:.3f}",
            "energy_wh": "not measured" if wh is None else f"{wh:.3g}",
            "carbon_g": (
                "not known"
                if wh is None or math.isnan(asked.grams_per_kwh)
                else f"{wh * asked.grams_per_kwh / 1000:.3g}"
            ),
            "data_hash": metrics["data_hash"],
        },
    )
    print(verdict.finding)
    return 0


def judge(tuned: Mapping[str, Any], below: Mapping[str, Any], *, margin: float) -> Verdict:
    """Compare two scores on the same golden questions.

    The tuned model must answer more of them rightly, by at least `margin`, must refuse as many of
    those that have no answer, and its answers must be as grounded.
    """
    asked = len(tuned["right"])
    if asked != len(below["right"]):
        raise JobError("scores.json: the two were not asked the same questions")
    gain = tuned["score"] - below["score"]
    found = []
    if asked < _LEAST_QUESTIONS:
        found.append(f"{asked} golden questions decide nothing; write at least {_LEAST_QUESTIONS}")
    if gain < margin or gain <= 0:
        found.append(
            f"not better by {100 * margin:g} points: {tuned['score']:.1%} right, "
            f"{below['score']:.1%} on the rung below; stay there, or bring more examples"
        )
    for key, what in (("refusals", "refuses less rightly"), ("grounded", "is grounded less")):
        now, before = tuned[key], below[key]
        if now is not None and before is not None and now < before:
            found.append(f"{what}: {now:.1%}, {before:.1%} on the rung below")
    if found:
        return Verdict(False, "; ".join(found))
    return Verdict(
        True,
        f"{tuned['score']:.1%} of {asked} golden questions right, {below['score']:.1%} on the rung "
        f"below, with {tuned['prompt_tokens']:.1f} prompt tokens instead of "
        f"{below['prompt_tokens']:.1f}; the better of two by chance alone: "
        f"{chance(tuned['right'], below['right']):.2g}",
    )


def chance(tuned: Sequence[bool], below: Sequence[bool]) -> float:
    """Return how likely so many wins are among the questions where the two differ, by chance.

    The one-sided sign test: a coin decides each question that only one of the two has right.
    """
    wins = sum(a and not b for a, b in zip(tuned, below, strict=True))
    losses = sum(b and not a for a, b in zip(tuned, below, strict=True))
    differ = wins + losses
    ways = sum(math.comb(differ, k) for k in range(wins, differ + 1))
    return ways / float(2**differ)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except FileNotFoundError as error:
        raise JobError(f"{file}: missing; the step before writes it") from error


if __name__ == "__main__":
    sys.exit(job.run(main))
