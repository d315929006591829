"""What all pages and tables have in common: origin, print, phone, colours, units, width."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from sustainability.__main__ import main
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


def test_labels_of_an_axis_neither_touch_nor_leave_the_chart() -> None:
    points = [(10.0**power, 10.0**power) for power in range(7)]
    drawn = charts.lines("Energy", [charts.Line("endpoint", points)], "requests", "Wh")
    labels = [
        (float(x), text)
        for x, text in re.findall(r'x="([\d.]+)" y="225" class="tick">([^<]+)<', drawn)
    ]
    assert [text for _, text in labels] == ["1", "10", "100", "1k", "10k", "100k", "1M"]
    ends = [(x - 4 * len(text), x + 4 * len(text)) for x, text in labels]  # 8 px a character
    assert all(left < right for (_, left), (right, _) in pairwise(ends))
    assert ends[-1][1] <= charts.WIDTH


def test_pages_name_rungs_and_rows_in_words(tmp_path: Path) -> None:
    ladder, regions = tmp_path / "ladder.html", tmp_path / "regions.html"
    tuned = "deployments/examples/tuned.yaml"
    assert main(["customize", tuned, "--advise", "--html", str(ladder)]) == 0
    assert main(["regions", "deployments/dev.yaml", "--html", str(regions)]) == 0

    cells = set(re.findall(r">([^<>]+)</(?:td|text|h2)>", ladder.read_text()))
    assert "tuning of a few parameters (PEFT)" in cells
    assert not {"peft", "rag", "scratch", "stay", "Next: peft"} & cells
    # On a phone the first cell is the heading of its row; where one is, nothing changes.
    shown = regions.read_text()
    rows = re.findall(r"<tr><td[^>]*>([^<]+)</td>", shown)
    assert not [row for row in rows if not re.match(r"[a-z]{2}-|knowledge|service|region", row)]
    assert "+0%, too close" not in shown
