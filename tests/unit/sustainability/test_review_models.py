"""Which models are proposed, what a trial takes, and what is said of those in use."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.commands import choose_model, review_models
from sustainability.decide.model_review import replacement
from sustainability.decide.model_review import review_models as reviewed
from sustainability.deployment.prompts import Prompt
from sustainability.offers.lifecycle import Lifecycle
from sustainability.offers.model_cards import model_cards
from sustainability.offers.names import generators
from sustainability.report.model_review import as_text
from tests.unit.sustainability.deployments import a_deployment

PROD = "deployments/prod.yaml"
SMALL, LARGE = "mistral.ministral-3-3b-instruct", "mistral.ministral-3-14b-instruct"
PROMPT = Prompt.named("answer")
OLD, NEW = date(2025, 1, 1), date(2026, 6, 1)


def known() -> dict[str, Lifecycle]:
    """Return the lifecycles of a Region in which all models are equally old."""
    return dict.fromkeys((*generators(), "amazon.titan-embed-text-v2:0"), Lifecycle("ACTIVE", OLD))


def with_generator(model: str) -> Any:
    return a_deployment(answers={"generator": model})


def test_smaller_models_are_tried_and_larger_ones_are_not() -> None:
    review = reviewed(with_generator(LARGE), known(), PROMPT)
    tried = [each.model for each in review.to_try]
    assert tried[0] == SMALL
    assert "google.gemma-3-27b-it" in {each.model for each in review.offered} - set(tried)
    assert review.present is not None
    assert review.present.reason == ""
    after = review.paid_back_after(50)
    assert after is not None
    saved = review.present.per_1000.kwh.mid - review.to_try[0].per_1000.kwh.mid
    assert after * saved / 1000 == pytest.approx(review.trial(50).kwh.mid)
    assert reviewed(with_generator(SMALL), known(), PROMPT).to_try == ()


def test_a_newer_model_of_the_same_size_is_tried() -> None:
    lifecycles = known() | {"openai.gpt-oss-20b-1:0": Lifecycle("ACTIVE", NEW)}
    tried = reviewed(with_generator("google.gemma-3-4b-it"), lifecycles, PROMPT).to_try
    assert {each.model: each.reason for each in tried} == {
        SMALL: "smaller",
        "openai.gpt-oss-20b-1:0": "newer, too close to call",
    }


def test_a_legacy_model_is_neither_tried_nor_a_replacement() -> None:
    lifecycles = known() | {SMALL: Lifecycle("LEGACY", OLD, end=NEW)}
    review = reviewed(with_generator(LARGE), lifecycles, PROMPT)
    assert SMALL not in {each.model for each in review.offered}
    assert replacement(with_generator(SMALL), lifecycles) == "openai.gpt-oss-20b-1:0"
    limited = with_generator(SMALL).model_copy(update={"region": "eu-south-1"})
    assert replacement(limited, lifecycles) not in (None, SMALL)


def test_the_catalogue_has_every_generator_and_no_number_without_a_source() -> None:
    cards = model_cards()
    assert cards.keys() == generators()
    for card in cards.values():
        assert card.url.startswith("https://")
        assert bool(card.source) == bool(card.context_tokens or card.languages), card


def test_the_command_asks_nothing_and_fails_if_a_model_in_use_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review-models", PROD, "--offline"]) == 0
    assert "lifecycle unknown" in capsys.readouterr().out
    legacy = known() | {SMALL: Lifecycle("LEGACY", OLD, legacy=OLD, end=NEW)}
    monkeypatch.setattr(review_models, "_lifecycles", lambda _: legacy)
    assert main(["review-models", PROD]) == 1
    assert f"{SMALL}: legacy since 2025-01-01, ends on 2026-06-01" in capsys.readouterr().out
    assert main(["review-models", PROD, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["in_use"][SMALL]["end"] == "2026-06-01"
    assert {"context_tokens", "languages", "card", "try"} <= told["offered"][0].keys()


def test_with_ask_the_proposals_and_the_present_generator_go_through_choose_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(choose_model, "run", lambda options: asked.append(options) or 0)
    file = tmp_path / "large.yaml"
    file.write_text(Path(PROD).read_text() + f"\nanswers: {{generator: {LARGE}}}\n")
    text = file.read_text().replace("answers:\n  concurrency: 100\n", "")
    file.write_text(text)
    assert main(["review-models", str(file), "--offline", "--ask"]) == 1
    assert "--ask needs --questions" in capsys.readouterr().err
    questions = ["--questions", "samples/questions.yaml"]
    assert main(["review-models", str(file), "--offline", "--ask", *questions]) == 0
    (options,) = asked
    assert options.models[0] == SMALL
    assert options.models[-1] == LARGE
    assert "USD of generating" in capsys.readouterr().err


def test_the_text_says_when_it_is_worth_repeating() -> None:
    text = as_text(reviewed(with_generator(LARGE), known(), PROMPT), 50)
    assert "is paid back after" in text
    assert "Repeat it when a model in use becomes legacy" in text
    assert "https://huggingface.co/mistralai/Ministral-3-3B-Instruct-2512" in text
