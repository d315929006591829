"""What all pages and tables have in common: origin, print, phone, colours, units, width."""

from __future__ import annotations

import re

import pytest

from sustainability.facts.ranges import Estimate
from sustainability.report import charts
from sustainability.report.page import page, table
from sustainability.report.text import energy_unit, fitted, in_unit, in_words


def test_a_page_says_when_and_by_what_it_was_made_prints_and_fits_a_phone() -> None:
    made = page("Title", "Lead", [])
    assert re.search(r"Made on \d\d \w+ 20\d\d at \d\d:\d\d UTC by version \d+\.\d+\.\d+", made)
    assert "@media print" in made
    assert "@media screen and (max-width:34rem)" in made
    assert "details::details-content{content-visibility:visible" in made


def test_a_cell_names_its_column_for_the_list_on_a_phone() -> None:
    assert '<td class=short data-name="a &amp; b">1</td>' in table(("a & b",), [("1",)])


def test_equal_bars_are_a_sentence() -> None:
    same = [charts.Bar(name, Estimate(1.0, 2.0, 3.0)) for name in "abc"]
    assert charts.bars("Same", same, "Wh") == "<p>All 3 are equal: 2 Wh.</p>"
    assert "<svg" in charts.bars("One", same[:1], "Wh")
    assert "<svg" in charts.bars("Two", [*same, charts.Bar("d", Estimate.exact(9.0))], "Wh")


@pytest.mark.parametrize(
    "labels",
    [
        ["answer cache", "Bedrock", "endpoint"],
        ["Bedrock", "endpoint"],
        ["endpoint"],
        ["Bedrock standard", "Bedrock flex", "ml.inf2.xlarge", "ml.g5.xlarge"],
        ["Bedrock standard, flex, batch", "ml.inf2.xlarge", "ml.g5.xlarge"],
        ["a", "b", "Bedrock", "Bedrock", "c"],
    ],
    ids=str,
)
def test_a_colour_means_the_same_in_every_chart(labels: list[str]) -> None:
    styles = dict(zip(labels, charts.styles(labels), strict=True))
    assert len(set(charts.styles(labels))) == len(labels)
    for label, style in styles.items():
        if label in ("endpoint", "ml.inf2.xlarge"):
            assert style == 1
    if labels.count("Bedrock") < 2:
        assert all(styles[label] == 2 for label in styles if label.startswith("Bedrock s"))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("llm/gpu_time/fit", "LLM: GPU time, fit"),
        ("regions/eu-north-1/grid", "Region: eu-north-1, grid"),
        ("power/s3_vectors/query", "power: S3 vectors, query"),
        ("models/amazon.nova-lite-v1:0/active", "model: amazon.nova-lite-v1:0, active"),
    ],
)
def test_facts_have_names_in_words(path: str, words: str) -> None:
    assert in_words(path) == words


def test_a_table_has_one_unit_by_its_largest_value() -> None:
    assert (energy_unit(0.0447), energy_unit(12.9)) == ("Wh", "kWh")
    assert in_unit(Estimate.exact(0.0447), "Wh").mid == pytest.approx(44.7)


def test_sentences_fit_a_terminal_and_tables_stay() -> None:
    rows = "name  value\n----  -----\n" + "x" * 120
    sentence = "  1. " + "word " * 40
    shown = fitted(f"{rows}\n\n{sentence.rstrip()}\nshort")
    assert rows in shown
    assert all(len(line) <= 100 for line in shown.split("\n\n")[1].splitlines())
    assert shown.split() == f"{rows} {sentence} short".split()
