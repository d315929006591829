"""Energy of tokens: our fit against every measured point and published answer it can be held to."""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.measurement import Measurement
from sustainability.energy.tokens import (
    UNITS,
    Step,
    TokenFootprint,
    coefficients,
    generation,
    gpu_room,
    gpus,
)
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate

DATA = Path(__file__).parents[2] / "shared" / "data" / "mlenergy_v3_text.csv"
"""The measured points. Their licence is not stated, so they are not part of this repository."""
STORED = {"bfloat16": 2.0, "fp8": 1.0, "mxfp4": 0.55}
"""Bytes of a stored parameter."""
READ = STORED | {"fp8": 1.6}
"""Bytes whose reading takes as much. FP8 saves less than half of it, as measured."""
QUANTITIES = ("gpu_energy", "gpu_time")
TERMS = ("compute", "weights", "step", "gpu")
_STAND_IN = "mistral.ministral-3-3b-instruct"
_APART = 1.5
"""Two models whose measured energies differ by this factor should be in the right order."""


@dataclass(frozen=True)
class Point:
    """One measured run of the ML.ENERGY Benchmark v3.0."""

    task: str
    model: str
    gpu: str
    slots: int
    step: Step
    gpu_energy: float
    """J of the GPUs for each output token, reading included."""
    gpu_time: float
    """s of all GPUs together for each output token."""

    @property
    def terms(self) -> tuple[float, ...]:
        """What the fit is linear in, in the order of ``TERMS``."""
        step = self.step
        return (step.active, step.gigabytes / step.batch, 1 / step.batch, float(step.gpus))


def points(path: Path = DATA) -> list[Point]:
    """Return all measured points.

    Raises
    ------
    OSError
        If the file is not there.
    """
    room = gpu_room(Facts())
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return [
        Point(
            task=row["task"],
            model=row["model"].partition("/")[2],
            gpu=row["gpu"],
            slots=int(row["max_num_seqs"]),
            step=Step(
                active=float(row["activated_b"]),
                total=float(row["total_b"]),
                bytes_per_parameter=READ[row["precision"]],
                batch=float(row["avg_batch"]),
                gpus=gpus(float(row["total_b"]) * STORED[row["precision"]], room),
            ),
            gpu_energy=float(row["joules_per_output_token"]),
            gpu_time=float(row["num_gpus"]) / float(row["output_tokens_per_s"]),
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Fit:
    """Coefficients that make the squared errors of the logarithm smallest."""

    terms: tuple[float, ...]
    """In the order of ``TERMS``, for an H100."""
    b200: float
    """The factor of a B200."""
    ratios: tuple[float, ...]
    """Measured divided by fitted, for each point."""

    @cached_property
    def range(self) -> tuple[float, float]:
        """The ratios between which 19 of 20 points lie."""
        cuts = statistics.quantiles(self.ratios, n=40)
        return cuts[0], cuts[-1]


def fit(measured: Sequence[Point], quantity: str) -> Fit:
    """Fit ``quantity``, ``gpu_energy`` or ``gpu_time``, by damped Gauss-Newton steps."""
    target = np.log([getattr(point, quantity) for point in measured])
    terms = np.array([point.terms for point in measured])
    newer = np.array([float(point.gpu == "B200") for point in measured])

    def residuals(logs: np.ndarray) -> np.ndarray:
        return np.log(terms @ np.exp(logs[:-1])) + logs[-1] * newer - target

    logs, damping = np.zeros(terms.shape[1] + 1), 1e-2
    logs[:-1] = np.log(0.01)
    for _ in range(2000):
        parts = terms * np.exp(logs[:-1])
        slopes = np.column_stack([parts / parts.sum(axis=1, keepdims=True), newer])
        error = residuals(logs)
        bend = slopes.T @ slopes
        bend += damping * np.diag(np.diag(bend))
        moved = logs - np.clip(np.linalg.solve(bend, slopes.T @ error), -1, 1)
        better = (residuals(moved) ** 2).sum() < (error**2).sum()
        logs, damping = (moved, damping / 3) if better else (logs, damping * 4)
        if damping > 1e12:
            break
    return Fit(
        terms=tuple(float(value) for value in np.exp(logs[:-1])),
        b200=float(np.exp(logs[-1])),
        ratios=tuple(float(value) for value in np.exp(-residuals(logs))),
    )


def stated(point: Point, quantity: str, facts: Facts) -> Estimate:
    """Return what the project states for a point: its batch and its GPU are known."""
    hardware = facts(f"llm/{quantity}/hardware", "ratio")
    middle = point.step.per_token(coefficients(quantity, facts)) * (
        hardware.low if point.gpu == "B200" else hardware.mid
    )
    return facts(f"llm/{quantity}/fit", "ratio") * middle


def inside(measured: Sequence[Point], quantity: str, facts: Facts) -> float:
    """Return the share of points in the stated range."""
    return 1 - len(outside(measured, quantity, facts)) / len(measured)


def outside(measured: Iterable[Point], quantity: str, facts: Facts) -> list[Point]:
    """Return the points that the stated range misses."""
    return [
        point
        for point in measured
        if not (said := stated(point, quantity, facts)).low <= getattr(point, quantity) <= said.high
    ]


def _ratio(point: Point, facts: Facts) -> float:
    """Return the measured energy divided by the stated one."""
    return point.gpu_energy / stated(point, "gpu_energy", facts).mid


def _missed(measured: Sequence[Point], facts: Facts) -> str:
    """Return where most of the missed points are: models of which three or more are missed."""
    missed = outside(measured, "gpu_energy", facts)
    all_of = by_model(measured)
    told = []
    for model, group in by_model(missed).items():
        if len(group) >= 3:
            ratios = sorted(_ratio(point, facts) for point in group)
            told.append(
                f"{len(group)} of the {len(all_of[model])} points of {model} "
                f"({ratios[0]:.2f} to {ratios[-1]:.2f} times)"
            )
    return f"{len(missed)} points lie outside the range, among them {' and '.join(told)}."


def pairs(measured: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Yield pairs of models in the same setting whose measured energies differ clearly."""

    def setting(point: Point) -> tuple[str, str, int]:
        return (point.task, point.gpu, point.slots)

    for _, together in itertools.groupby(sorted(measured, key=setting), key=setting):
        for one, other in itertools.combinations(together, 2):
            low, high = sorted((one.gpu_energy, other.gpu_energy))
            if one.model != other.model and high >= _APART * low:
                yield one, other


def in_order(measured: Sequence[Point], facts: Facts) -> float:
    """Return the share of pairs whose order the project states right."""
    right = [
        (one.gpu_energy > other.gpu_energy)
        == (stated(one, "gpu_energy", facts).mid > stated(other, "gpu_energy", facts).mid)
        for one, other in pairs(measured)
    ]
    return sum(right) / len(right)


def ecologits(step: Step) -> float:
    """Return J of the GPUs per output token by EcoLogits 0.11.3, the second opinion."""
    one = 1.1665273170451914e-06 * math.exp(-0.011205921025579175 * step.batch) * step.active
    return (one + 4.052928146734005e-05) * step.gpus * 3600


def run() -> list[Measurement]:
    """Hold the fit to the measured points."""
    if not DATA.exists():
        print(f"calibration: skipped, {DATA.name} is not here", file=sys.stderr)
        return []
    facts, measured = Facts(), points()
    found = [
        Measurement("points in the stated range, energy", 100 * inside(measured, q, facts), "%", t)
        if q == "gpu_energy"
        else Measurement("points in the stated range, time", 100 * inside(measured, q, facts), "%")
        for q, t in zip(QUANTITIES, ("≥ 95", ""), strict=True)
    ]
    width = facts("llm/gpu_energy/fit", "ratio")
    found += [
        Measurement("width of that range, energy", width.high / width.low, "times", "≤ 4"),
        Measurement("pairs in the right order", 100 * in_order(measured, facts), "%", "≥ 95"),
    ]
    for quantity in QUANTITIES:
        result = fit(measured, quantity)
        for term, value in zip(TERMS, result.terms, strict=True):
            found.append(Measurement(f"{quantity}/{term}", value, UNITS[quantity]))
        low, high = result.range
        found += [
            Measurement(f"{quantity}, B200 against H100", result.b200, "times"),
            Measurement(f"{quantity}, 2.5 % below", low, "times"),
            Measurement(f"{quantity}, 2.5 % above", high, "times"),
        ]
    return found


def by_model(measured: Iterable[Point]) -> dict[str, list[Point]]:
    """Return the points of each model, the smallest model first."""
    ordered = sorted(measured, key=lambda point: (point.step.active, point.model))
    return {
        model: list(group) for model, group in itertools.groupby(ordered, key=lambda p: p.model)
    }


@dataclass(frozen=True)
class Published:
    """A whole answer whose footprint somebody published."""

    what: str
    told: float
    unit: str
    ours: Estimate
    boundary: str
    difference: str = ""
    """Why the published number may be outside our range."""

    @property
    def place(self) -> str:
        """Where the published number lies: inside our range, or how far outside."""
        if self.told > self.ours.high:
            return f"above, {self.told / self.ours.high:.1f} times the high end"
        if self.told < self.ours.low:
            return f"below, {self.ours.low / self.told:.1f} times under the low end"
        return "inside"


def published(facts: Facts) -> list[Published]:
    """Return published answers beside what the project would state for the same."""

    def tokens(active: float) -> TokenFootprint:
        """Return 1,000 tokens of a dense model of so many billion parameters."""
        size = Estimate.exact(active)
        overrides = {f"models/{_STAND_IN}/{count}": size for count in ("active", "total")}
        return generation(_STAND_IN, Facts(overrides=overrides))

    large = tokens(123)
    grid = Estimate(42, 200, 400).drawn("grid") * 1.2
    read_g = large.wh_per_1k_input * grid * (1 / 1000) + large.embodied_g_per_1k_input
    return [
        Published(
            "Mistral Large 2 (123 billion parameters), 400 tokens",
            1.14,
            "gCO2e",
            large.wh_per_1k_output * 0.4 * grid * (1 / 1000) + large.embodied_g_per_1k_output * 0.4,
            "Theirs is a life-cycle analysis with the supply of the hardware and of the building; "
            "the grid is not told: ours is for 42 to 400 gCO2e/kWh and a PUE of 1.2.",
            "Theirs is an answer of an assistant, and tells neither its prompt nor its energy. "
            "Ours writes 400 tokens and reads none. Each 1,000 tokens of a prompt add "
            f"{read_g.mid:.2g} ({read_g.low:.2g} to {read_g.high:.2g}) g. Their supply of the "
            "building is not in ours. What remains is not explained: for a dense model of this "
            "size, ours may say too little.",
        ),
        Published(
            "Median text prompt of Gemini (size and tokens not told)",
            0.24,
            "Wh",
            tokens(30).wh_per_1k_output * 0.4 * 1.09,
            "Theirs has the host, idle machines and the PUE of 1.09, as ours; ours is for 30 "
            "billion active parameters and 400 tokens on GPUs, theirs runs on TPUs.",
        ),
        Published(
            "GPT-4o, 500 tokens, estimate of Epoch AI (100 billion active parameters)",
            0.3,
            "Wh",
            tokens(100).wh_per_1k_output * 0.5 * 1.2,
            "An estimate from operations at 10 % of the peak speed, not a measurement.",
        ),
        Published(
            "Llama 3.1 8B, 1,000 tokens, batch 64, H100 (ML.ENERGY v3.0)",
            0.033,
            "Wh",
            Estimate.exact(Step(8, 8, 2, 64, 1).per_token(coefficients("gpu_energy", facts)) / 3.6)
            * facts("llm/gpu_energy/fit", "ratio"),
            "GPU only, without host and PUE, on both sides.",
        ),
    ]


def page() -> str:
    """Return ``docs/calibration.md``."""
    facts, measured = Facts(), points()
    width = facts("llm/gpu_energy/fit", "ratio")
    lines = [
        "# Calibration: how far the energy of tokens can be believed",
        "",
        "<!-- Generated: python -m benchmarks.calibration > docs/calibration.md -->",
        "",
        "The energy and the time of a token follow a formula with four terms "
        "([footprint.md](footprint.md)). This page holds it against everything measured or "
        "published that it can be compared with. It tells what the formula misses, and by how "
        "much.",
        "",
        "## Measured points",
        "",
        f"{len(measured)} points of the ML.ENERGY Benchmark v3.0 (Chung et al., NeurIPS Datasets "
        "and Benchmarks 2025): GPU energy, without host and PUE. The batch and the GPU are known.",
        "",
        f"- {inside(measured, 'gpu_energy', facts):.1%} of the points lie in the stated range, "
        f"{width.low:g} to {width.high:g} times the formula.",
        f"- {inside(measured, 'gpu_time', facts):.1%} of the GPU times lie in theirs.",
        f"- {in_order(measured, facts):.1%} of {len(list(pairs(measured))):,} pairs of models "
        f"whose energies differ by {_APART:g} times or more are in the right order.",
        "",
        "Measured divided by stated. 1 is exact; above 1 the formula says too little.",
        "",
        "| model | active / total, billion | points | lowest | median | highest "
        "| EcoLogits 0.11.3, median |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, group in by_model(measured).items():
        ratios = sorted(_ratio(point, facts) for point in group)
        other = statistics.median(point.gpu_energy / ecologits(point.step) for point in group)
        step = group[0].step
        lines.append(
            f"| {model} | {step.active:g} / {step.total:g} | {len(group)} | {ratios[0]:.2f} | "
            f"{statistics.median(ratios):.2f} | {ratios[-1]:.2f} | {other:.2f} |"
        )
    lines += [
        "",
        "How many points have which ratio:",
        "",
        "```",
        *_histogram([_ratio(point, facts) for point in measured]),
        "```",
        "",
        f"What it misses: {_missed(measured, facts)} Inside the range, FP8 models of 235 billion "
        "parameters take more than stated at large batches, hybrid models with Mamba layers take "
        "more for long answers, and sparse models on few GPUs take less. EcoLogits fits batches "
        "of 64 on H100; its column shows how far it is from these points at all batches.",
        "",
        "## Published answers",
        "",
        "| answer | published | stated here | where it lies | boundary |",
        "|---|---|---|---|---|",
    ]
    for answer in published(facts):
        ours = answer.ours
        lines.append(
            f"| {answer.what} | {answer.told:g} {answer.unit} | {ours.mid:.2g} "
            f"({ours.low:.2g} to {ours.high:.2g}) {answer.unit} | {answer.place} | "
            f"{' '.join(filter(None, (answer.boundary, answer.difference)))} |"
        )
    return "\n".join([*lines, ""])


def _histogram(ratios: Sequence[float]) -> list[str]:
    edges = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5]
    found = []
    for low, high in itertools.pairwise(edges):
        count = sum(low <= ratio < high for ratio in ratios)
        found.append(f"{low:4.2f} to {high:4.2f}  {count:4}  {'#' * round(count / 2)}")
    return found


def main() -> int:
    """Print the page."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.calibration", description=__doc__
    ).parse_args()
    if not DATA.exists():
        print(f"{DATA} is not here: the measured points cannot be read", file=sys.stderr)
        return 1
    print(page(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
