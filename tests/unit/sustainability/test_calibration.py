"""The stated energy of tokens against measurements, where the measured points are present."""

from __future__ import annotations

import pytest

from benchmarks.calibration import DATA, QUANTITIES, Point, fit, in_order, inside, points
from sustainability.energy.tokens import Step, coefficients
from sustainability.facts.lookup import Facts

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not here")


@pytest.fixture(scope="module")
def measured() -> list[Point]:
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


def test_the_two_ranks_that_were_wrong_are_as_measured() -> None:
    terms = coefficients("gpu_energy", Facts())

    def joules(active: float, total: float, size: float, gpus: int) -> float:
        return Step(active, total, size, 64, gpus).per_token(terms)

    small, medium = joules(8, 8, 2, 1), joules(32, 32, 2, 1)
    sparse = joules(5.1, 117, 0.55, 1)
    assert medium / small == pytest.approx(3.1, rel=0.25)  # 0.3671 / 0.1186 J, H100, batch 64
    assert sparse < medium  # gpt-oss-120b: 0.27 J
