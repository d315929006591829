"""Traffic fitted to a trace: it finds what the trace was made from, and tells batches."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment, Tokens
from sustainability.errors import UserError
from sustainability.simulation.trace_fit import fit
from sustainability.simulation.traffic import Rates, Request, TokenCounts, Traffic, of_rates

TOKENS = TokenCounts(Tokens(mean=1200, p95=1900), Tokens(mean=160, p95=320))
MADE = of_rates(Rates(3600, (1800.0, 1800.0, 600.0, 600.0)), TOKENS, seed=3)


def test_it_finds_rates_tokens_and_that_questions_come_at_random() -> None:
    found = fit(Traffic(MADE.requests, MADE.duration, start=9 * 3600.0))
    first, second = found.traffic["periods"]
    assert (first["days"], first["hours"], second["hours"]) == ("mon", "9-11", "11-13")
    assert first["mean_per_hour"] == pytest.approx(1800, rel=0.05)
    assert second["mean_per_hour"] == pytest.approx(600, rel=0.1)
    assert found.traffic["input_tokens"]["p95"] == pytest.approx(1900, rel=0.05)
    assert all(value == pytest.approx(1, abs=0.3) for value in found.dispersion.values())
    assert found.batch < 1.2
    assert max(found.token_error.values()) < 0.03


def test_lengths_that_are_not_lognormal_get_their_deciles() -> None:
    """Three of four answers are a word, the others are as long as allowed."""

    def mixed() -> list[Request]:
        return [
            request._replace(output_tokens=400.0 if number % 4 == 0 else 1 + number % 8)
            for number, request in enumerate(MADE.requests())
        ]

    found = fit(Traffic(mixed, MADE.duration))
    declared = Tokens.model_validate(found.traffic["output_tokens"])
    assert "deciles" not in found.traffic["input_tokens"]
    assert declared.deciles[0] < 4 < 6 < declared.deciles[6] < declared.deciles[7] == 400
    random_ = random.Random(1)
    draw = TokenCounts(TOKENS.input, declared).sampler(random_)
    drawn = [draw()[1] for _ in range(20_000)]
    assert fmean(drawn) == pytest.approx(declared.mean, rel=0.1)
    assert sum(count > 200 for count in drawn) / len(drawn) == pytest.approx(0.25, abs=0.06)


def test_it_tells_batches() -> None:
    def batches() -> list[object]:
        return [again for request in MADE.requests() for again in [request] * 5]

    found = fit(Traffic(batches, MADE.duration))  # type: ignore[arg-type]
    assert found.dispersion[1.0] == pytest.approx(5, rel=0.2)
    assert found.batch > 2.5


def test_a_trace_that_is_too_short_is_refused() -> None:
    few = list(MADE.requests())[:50]
    with pytest.raises(UserError, match="at least 200 questions"):
        fit(Traffic(lambda: few, few[-1].time))


def test_the_command_prints_a_section_that_a_deployment_file_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{r.time},{r.input_tokens},{r.output_tokens}" for r in MADE.requests()]
    (tmp_path / "trace.csv").write_text("\n".join(["t_s,in_tokens,out_tokens", *rows]))
    file = "deployments/examples/bridged.yaml"
    assert main(["plan", file, "--from-trace", str(tmp_path / "trace.csv")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# Fitted to trace.csv: ")
    loaded = dict(Deployment.load(file))
    Deployment.model_validate({**loaded, **yaml.safe_load(printed)})
