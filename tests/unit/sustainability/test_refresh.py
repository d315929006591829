from __future__ import annotations

from types import SimpleNamespace

from sustainability.facts.lookup import DATA, load_facts
from sustainability.facts.refresh.bedrock_prices import rows
from sustainability.facts.refresh.hourly_intensity import COUNTRY_OF_REGION, HEADER
from sustainability.facts.refresh.models import ECOLOGITS_NAMES, refreshed
from sustainability.plan.clean_hours import profiles


def test_prices_of_every_profile_of_a_model_become_rows() -> None:
    flat = SimpleNamespace(input_mtok=0.1, output_mtok=0.2)
    tiered = SimpleNamespace(input_mtok=SimpleNamespace(base=0.3), output_mtok=None)
    offers = [
        SimpleNamespace(id="acme.small", prices=flat),
        SimpleNamespace(id="global.acme.small", prices=tiered),
        SimpleNamespace(id="acme.other", prices=flat),
    ]
    found = list(rows(offers, ["acme.small"], "genai-prices", "2026"))

    assert [(row[0], row[2]) for row in found] == [
        ("acme.small/input", "0.1"),
        ("acme.small/output", "0.2"),
        ("global.acme.small/input", "0.3"),
    ]


def test_parameter_counts_follow_ecologits_and_other_rows_stay() -> None:
    def row(model: str, kind: str) -> dict[str, str]:
        cells = {"low": "", "mid": "1", "high": "", "unit": "billion parameters", "year": "2025"}
        return {"key": f"{model}/{kind}", **cells, "source": "old", "confidence": "published"}

    known = {
        "openai/gpt-oss-20b": {"architecture": {"parameters": {"total": 21, "active": 3.6}}},
        "claude-haiku-5-5": {"architecture": {"parameters": {"min": 10, "max": 35}}},
    }
    before = [
        row("openai.gpt-oss-20b-1:0", "active"),
        row("anthropic.claude-haiku-5-5", "total"),
        row("acme.small", "active"),
    ]
    sparse, guessed, untouched = refreshed(before, known, "EcoLogits 9")

    assert (sparse["mid"], sparse["confidence"]) == ("3.6", "published")
    assert [guessed[end] for end in ("low", "mid", "high")] == ["10", "22.5", "35"]
    assert guessed["confidence"] == "assumption"
    assert untouched == before[2]


def test_the_tables_still_have_the_shape_that_their_scripts_write() -> None:
    header = (DATA / "hourly_intensity.csv").read_text(encoding="utf-8").splitlines()[0]
    models = load_facts("models")

    assert header.split(",") == HEADER
    assert set(profiles()) == set(COUNTRY_OF_REGION)
    assert all(f"{model}/active" in models for model in ECOLOGITS_NAMES)
    assert {fact.unit for fact in load_facts("bedrock_prices").values()} == {"USD/million tokens"}
