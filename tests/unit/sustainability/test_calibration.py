"""The stated energy of tokens against measurements, where the measured points are present."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.calibration import (
    DATA,
    QUANTITIES,
    Point,
    fit,
    in_order,
    inside,
    page,
    points,
    published,
    stated,
)
from sustainability.energy.tokens import Step, coefficients
from sustainability.facts.lookup import Facts

PAGE = Path(__file__).parents[3] / "docs" / "calibration.md"


@pytest.fixture(scope="module")
def measured() -> list[Point]:
    if not DATA.exists():
        pytest.skip(f"{DATA.name} is not here")
    return points()


def test_nineteen_of_twenty_measured_points_lie_in_a_range_of_less_than_four(
    measured: list[Point],
) -> None:
    facts = Facts()
    width = facts("llm/gpu_energy/fit", "ratio")

    assert inside(measured, "gpu_energy", facts) >= 0.95
    assert width.high / width.low <= 4
    assert inside(measured, "gpu_time", facts) >= 0.95


def test_models_that_measurably_differ_are_in_the_right_order(measured: list[Point]) -> None:
    assert in_order(measured, Facts()) >= 0.95


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_the_coefficients_are_the_fit_of_these_points(measured: list[Point], quantity: str) -> None:
    found, facts = fit(measured, quantity), Facts()
    assert coefficients(quantity, facts) == pytest.approx(found.terms, rel=0.01)
    assert facts(f"llm/{quantity}/hardware", "ratio").low == pytest.approx(found.b200, rel=0.02)


LLAMA = (8.0, 8.0, 2.0)
GPT_OSS = (3.6, 21.0, 0.55)


@pytest.mark.parametrize(
    ("model", "batch", "quantity", "measured"),
    [
        (LLAMA, 8, "gpu_energy", 0.4548),
        (LLAMA, 64, "gpu_energy", 0.1186),
        (GPT_OSS, 256, "gpu_energy", 0.0594),
        (LLAMA, 64, "gpu_time", 1 / 5147),
    ],
)
def test_measurements_that_a_former_range_missed_lie_inside(
    model: tuple[float, float, float], batch: float, quantity: str, measured: float
) -> None:
    """One H100, ML.ENERGY Benchmark v3.0: Llama 3.1 8B in chats, gpt-oss-20b on GPQA."""
    point = Point("", "", "H100", 0, Step(*model, batch, 1), 0.0, 0.0)
    said = stated(point, quantity, Facts())

    assert said.low <= measured <= said.high


def test_published_answers_are_inside_the_range_or_their_difference_is_explained() -> None:
    told = published(Facts())

    assert {answer.told for answer in told} >= {1.14, 0.24}
    for answer in told:
        assert answer.boundary
        assert answer.place == "inside" or answer.difference, answer.what


def test_the_page_is_what_the_command_prints_and_its_chart_has_every_point(
    measured: list[Point],
) -> None:
    text = page()
    assert text == PAGE.read_text(encoding="utf-8")
    bars = re.findall(r"^\d\.\d\d to \d\.\d\d +(\d+)", text, re.MULTILINE)
    assert sum(map(int, bars)) == len(measured)


def test_the_two_ranks_that_were_wrong_are_as_measured() -> None:
    terms = coefficients("gpu_energy", Facts())

    def joules(active: float, total: float, size: float, gpus: int) -> float:
        return Step(active, total, size, 64, gpus).per_token(terms)

    small, medium = joules(8, 8, 2, 1), joules(32, 32, 2, 1)
    sparse = joules(5.1, 117, 0.55, 1)
    assert medium / small == pytest.approx(3.1, rel=0.25)  # 0.3671 / 0.1186 J, H100, batch 64
    assert sparse < medium  # gpt-oss-120b: 0.27 J
