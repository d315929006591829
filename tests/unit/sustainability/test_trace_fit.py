"""Traffic fitted to a trace: it finds what the trace was made from, and tells batches."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment, Tokens
from sustainability.errors import UserError
from sustainability.plan.serving import plan_serving
from sustainability.plan.situation import Situation
from sustainability.simulation.batches import batch_capacity
from sustainability.simulation.engine import Endpoint, replay
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


def batches(mean: float, *, per_second: float, within: float, hours: float) -> list[Request]:
    """Return batches at random, of geometric sizes, each within exponential times."""
    random_ = random.Random(7)
    draw = TOKENS.sampler(random_)
    found, moment = [], 0.0
    while (moment := moment + random_.expovariate(per_second / mean)) < hours * 3600:
        size = 1 + int(math.log(1 - random_.random()) / math.log(1 - 1 / mean))
        offsets = [random_.expovariate(1 / within) if within else 0.0 for _ in range(size)]
        found += [Request(moment + offset, *draw()) for offset in offsets]
    return sorted(found)


@pytest.mark.parametrize(("mean", "within"), [(20, 0.0), (12, 5.0)])
def test_it_tells_batches_and_their_correlation_time(mean: float, within: float) -> None:
    asked = batches(mean, per_second=1.0, within=within, hours=8)
    found = fit(Traffic(lambda: asked, 8 * 3600.0))
    assert found.batched
    assert found.batch == pytest.approx(mean, rel=0.35)
    assert found.correlation_s == pytest.approx(within, rel=0.6, abs=0.5)


@pytest.mark.parametrize(("mean", "per_second"), [(10, 1.5), (20, 3.0), (40, 2.0)])
def test_a_plan_from_a_trace_with_batches_has_the_copies_that_the_rest_needs(
    mean: float, per_second: float
) -> None:
    """Made from the first half; no more than 1.3 times the fewest that hold 99 % on the second."""
    asked = batches(mean, per_second=per_second, within=0, hours=1.5)
    first = [request for request in asked if request.time < 2700]
    rest = [request._replace(time=request.time - 2700) for request in asked[len(first) :]]
    declared = Deployment.model_validate(
        {
            "name": "batches",
            "region": "eu-north-1",
            "service_level": {"latency_p95": "25s"},
            "traffic": {"input_tokens": {"mean": 1200, "p95": 1900}},
            "inference": {"model": "qwen3-1.7b", "bedrock": "never", "max_instances": 60},
            "answers": {"max_tokens": 400},
        }
    )
    traffic = Traffic(lambda: first, 2700.0)
    fitted = fit(traffic).traffic
    need = batch_capacity(declared, fitted, traffic)
    assert need is not None

    copies = need.copies
    while holds(declared, rest, copies - 1):
        copies -= 1
    assert need.copies <= 1.3 * copies
    assert holds(declared, rest, need.copies)
    hours = {"mean_per_hour": per_second * 3600, "peak_per_hour": per_second * 3600}
    plan = plan_serving(
        Deployment.model_validate(
            {
                **dict(declared),
                "traffic": {
                    **fitted,
                    "periods": [],
                    "otherwise": hours,
                    "arrival_variation": need.variation,
                },
            }
        )
    )
    assert need.copies <= plan.max_copies
    assert plan.min_copies <= 1.3 * copies


def holds(deployment: Deployment, asked: list[Request], copies: int) -> bool:
    situation = Situation.of(deployment)
    capacity = situation.capacity(25.0)
    endpoint = Endpoint(
        slots=situation.model.slots,
        prefill_per_token=situation.model.prefill.mid,
        decode_per_token=situation.model.decode.mid,
        cold_start=0.0,
        initial_copies=copies,
        limit=capacity.limit,
        long_answer=replace(capacity, output_tokens=TOKENS.output).long.total,
    )
    return replay(asked, endpoint, lambda _: copies).attainment >= 0.99


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
