from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainability.decide.break_even_curves import Offer, curves, meetings
from sustainability.decide.region_ranking import fit_regions
from sustainability.facts.ranges import Estimate
from sustainability.footprint.footprint import footprint, influences
from sustainability.report import charts, compare, regions
from sustainability.report import footprint as report
from sustainability.report.text import amount, percent, spread, table
from tests.unit.sustainability.deployments import a_deployment, a_plan, traffic

VOID = {"meta", "rect", "path"}


class Reader(HTMLParser):
    """Checks that elements close in order, and collects what is in the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.words = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


DEPLOYMENT = a_deployment(name="shop", traffic=traffic(500))


def footprint_page() -> str:
    result = footprint(DEPLOYMENT, a_plan())
    levels = [("p95 12s, high", result), ("p95 1ms", "no instance is so fast <quickly>")]
    return report.as_html(result, influences(DEPLOYMENT, a_plan()), levels)


def regions_page() -> str:
    return regions.as_html(DEPLOYMENT, fit_regions(DEPLOYMENT, a_plan()), [])


def compare_page() -> str:
    offers = [Offer("ml.inf2.xlarge", 5000), Offer("ml.g5.xlarge", 20_000)]
    return compare.as_html(DEPLOYMENT, curves(DEPLOYMENT, offers), meetings(DEPLOYMENT, offers), [])


@pytest.mark.parametrize("build", [footprint_page, regions_page, compare_page])
def test_a_page_is_whole_self_contained_and_readable_without_its_charts(build) -> None:
    page = build()
    reader = Reader(page)

    assert "shop" in reader.words
    assert reader.seen.count("svg") > 0
    assert reader.seen.count("table") > 0
    assert page.count('role="img"') == reader.seen.count("title") - 1 == reader.seen.count("desc")
    assert {"script", "link", "img", "iframe"}.isdisjoint(reader.seen)
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page
    for outside in ("src=", "href=", "@import", "url("):
        assert outside not in page


@pytest.mark.parametrize("build", [regions_page, compare_page])
def test_a_page_about_a_choice_ends_with_what_to_do_next(build) -> None:
    assert "What to do next" in build()


def test_what_a_page_is_told_is_escaped() -> None:
    assert "<quickly>" not in footprint_page()
    assert "&lt;quickly&gt;" in footprint_page()


def test_the_text_names_the_three_strongest_influences_and_every_assumption() -> None:
    result, found = footprint(DEPLOYMENT, a_plan()), influences(DEPLOYMENT, a_plan())
    text = report.as_text(result, found)

    assert all(one.fact.path in text for one in found[:3])
    assert all(fact.path in text for fact in result.assumptions)
    assert len(text.splitlines()) < 80


def test_the_json_is_json_and_its_components_add_up() -> None:
    result = footprint(DEPLOYMENT, a_plan())
    told = json.loads(json.dumps(report.as_json(result, [])))

    total = sum(part["traffic_per_month"]["usd"][1] for part in told["components"])
    assert told["traffic_per_month"]["usd"][1] == pytest.approx(total)
    assert {fact["fact"] for fact in told["facts"]} >= {"regions/eu-north-1/grid", "llm/batch"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00001, "<0.001"), (0.0123, "0.0123"), (1.0, "1"), (12.34, "12.3"),
     (99.96, "100"), (1234.5, "1,234")],
)  # fmt: skip
def test_amounts_have_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert amount(value) == text


@given(st.floats(0, 1e12))
def test_no_amount_is_scientific(value: float) -> None:
    assert "e" not in amount(value)


def test_changes_read_as_percent_factor_or_from_nothing() -> None:
    assert [percent(share) for share in (0.1, -0.255, 20.0, float("inf"))] == [
        "+10%", "-26%", "x 21", "from nothing",
    ]  # fmt: skip
    assert spread(Estimate(1, 2, 3)) == "2 (1 to 3)"
    assert spread(Estimate.exact(2)) == "2"


def test_columns_align() -> None:
    lines = table(("name", "n"), [("a", "1"), ("bb", "100")]).splitlines()

    assert lines == ["name    n", "----  ---", "a       1", "bb    100"]


@given(
    st.lists(st.lists(st.floats(0, 1e9), min_size=3, max_size=3).map(sorted), max_size=5),
    st.sampled_from([charts.bars, charts.tornado]),
)
def test_charts_take_any_range(values: list[list[float]], draw) -> None:
    rows = [charts.Bar(f"<{index}>", Estimate(*ends)) for index, ends in enumerate(values)]

    Reader(draw("A & B", rows, "kWh"))
