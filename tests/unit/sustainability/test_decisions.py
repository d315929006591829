"""Decisions say when they are noise, and what a choice costs in the other two quantities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sustainability.__main__ import main
from sustainability.deployment.schema import Deployment, Objective
from sustainability.energy.impact import Impact
from sustainability.energy.verdict import Verdict, compared, doubts
from sustainability.facts.lookup import Facts
from sustainability.facts.ranges import Estimate
from sustainability.footprint.baseline import baseline
from sustainability.footprint.change import Change, Limit
from sustainability.footprint.footprint import footprint
from sustainability.plan.serving import plan_serving
from sustainability.report.footprint import as_text as as_footprint_text
from sustainability.report.plan import as_json, as_section, as_text, headline
from tests.unit.sustainability.deployments import a_deployment

BRIDGED = Deployment.load("deployments/examples/bridged.yaml")
TIE = "too close to call"


def an_impact(name: str, kwh: float, grams: float, usd: float, width: float = 1.0) -> Impact:
    def uncertain(value: float) -> Estimate:
        return Estimate(value / width, value, value * width).drawn(f"{name} {value}")

    return Impact(kwh=uncertain(kwh), operational_g=uncertain(grams), usd=uncertain(usd))


def test_a_saving_within_its_range_is_a_tie_and_the_losses_are_told() -> None:
    """As a former plan: 4 % less energy, 58 % more carbon and 48 % more cost."""
    chosen, other = an_impact("chosen", 96, 158, 148, 1.5), an_impact("other", 100, 100, 100, 1.5)

    found = compared(chosen, other, Objective.ENERGY)

    assert [row.quantity for row in found] == ["energy", "carbon", "cost"]
    assert found[0].verdict.too_close
    assert doubts({"bedrock": found}) == (
        "the difference to bedrock in energy is too close to call, and it takes +58% carbon and "
        "+48% cost compared with bedrock"
    )


def test_the_first_line_of_a_plan_says_that_it_is_worse_in_both_others() -> None:
    dear = Facts(
        overrides={
            "prices/instance/ml.inf2.xlarge": Estimate.exact(9.0),
            "embodied/inf2.xlarge": Estimate.exact(40_000),
        }
    )
    plan = plan_serving(BRIDGED, dear)

    assert plan.instance_type is not None
    (bedrock,) = [other for other in plan.other_modes if other.mode == "bedrock"]
    first, *others = bedrock.compared
    assert first.quantity is Objective.ENERGY
    assert first.share < 0
    line = as_text(BRIDGED, plan, ()).splitlines()[0]
    assert line == headline(BRIDGED, plan)
    for row in others:
        assert f"{row.share:+.0%} {row.quantity}" in line
    assert as_json(BRIDGED, plan, ())["headline"] == line
    assert line in as_section(BRIDGED, plan).replace("&#x27;", "'")


def test_a_plan_stands_beside_the_best_of_another_mode_in_text_json_and_html(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = "deployments/examples/bridged.yaml", tmp_path / "page.html"
    main(["plan", file])
    text = capsys.readouterr().out
    main(["plan", file, "--json"])
    found = json.loads(capsys.readouterr().out)["plan"]["other_modes"]
    main(["footprint", file, "--html", str(page)])

    assert [other["mode"] for other in found] == ["realtime", "bedrock"]
    for other in found:
        assert {row["quantity"] for row in other["compared"]} == {"energy", "carbon", "cost"}
        for row in other["compared"]:
            verdict = str(Verdict(row["verdict"]["chance"]))
            (line,) = [
                line
                for line in text.splitlines()
                if line.startswith(other["mode"]) and f": {row['quantity']}, " in line
            ]
            assert line.endswith(verdict)
            assert verdict in page.read_text()


def test_bedrock_alone_is_compared_with_an_instance_that_only_waits() -> None:
    reasons = plan_serving(Deployment.load("deployments/dev.yaml")).reasons
    assert any("that answers nothing takes" in reason and "sure" in reason for reason in reasons)


def test_regions_within_the_noise_are_ties_and_sources_that_disagree_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["regions"])
    text = capsys.readouterr().out
    main(["regions", "--json"])
    found = {region["region"]: region for region in json.loads(capsys.readouterr().out)}

    ties = {name for name, region in found.items() if region["too_close_to_the_one_above"]}
    shown = [line.split() for line in text.splitlines() if line.startswith("= ")]
    assert {name for name in ties if any(name in cells for cells in shown)} == ties
    assert len(ties) > 20  # neighbours in the ranking
    assert "eu-north-1" not in ties
    # Québec imports and makes other electricity than the rest of Canada.
    assert "35 for the grid zone" in found["ca-central-1"]["sources_disagree"]
    assert found["ca-central-1"]["sources_disagree"] in text
    assert found["eu-west-3"]["sources_disagree"] is None


def test_regions_for_a_deployment_are_ties_in_text_json_and_html(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = "deployments/dev.yaml", tmp_path / "page.html"
    main(["regions", file, "--html", str(page)])
    text = capsys.readouterr().out
    main(["regions", file, "--json"])
    found = json.loads(capsys.readouterr().out)

    ties = [region for region in found if region["too_close_to_call"]]
    assert {region["region"] for region in ties} >= {"eu-central-2"}
    for region in ties:
        if region["region"] != "eu-north-1":
            (line,) = [line for line in text.splitlines() if f" {region['region']} " in line]
            assert TIE in line
    assert page.read_text().count(TIE) >= len(ties)


def test_a_store_is_called_the_least_only_with_its_chance() -> None:
    asked = a_deployment(knowledge={"store": "auto"})
    reasons = [reason for reason in plan_serving(asked).reasons if "would take" in reason]

    assert len(reasons) == 2
    for reason in reasons:
        assert ("sure" in reason) or (TIE in reason)
        for unit in ("Wh", "gCO2e", "USD"):
            assert unit in reason


def test_compare_judges_the_busiest_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = "deployments/prod.yaml", tmp_path / "page.html"
    main(["compare", file])
    text = capsys.readouterr().out
    main(["compare", file, "--json"])
    busiest = json.loads(capsys.readouterr().out)["busiest_hour"]
    main(["compare", file, "--html", str(page)])

    for instance, verdicts in busiest.items():
        (row,) = [line for line in text.splitlines()[-len(busiest) :] if instance in line]
        for verdict in verdicts.values():
            words = str(Verdict(verdict["chance_of_less_than_bedrock"]))
            assert verdict["too_close_to_call"] == (words == TIE)
            assert words in row
            assert words in page.read_text()


@pytest.mark.parametrize("name", ["dev", "prod", "examples/bridged"])
def test_what_generating_adds_is_the_footprint_beyond_plain_search(name: str) -> None:
    deployment = Deployment.load(f"deployments/{name}.yaml")
    declared = footprint(deployment, plan_serving(deployment))

    found = baseline(deployment, declared)

    assert found is not None
    assert declared.per_1000_answers is not None
    for objective in Objective:
        whole = declared.per_1000_answers.by(objective).mid
        searching, added = found.searching.by(objective), found.generating.by(objective)
        assert searching.mid + added.mid == pytest.approx(whole)
        assert added.mid > 0
    text = as_footprint_text(declared, (), least=found)
    assert "search alone" in text
    assert "generating adds" in text


def test_a_limit_is_broken_by_a_change_and_not_by_noise() -> None:
    def changed(chance: float) -> Any:
        return [Change("traffic", "carbon", "gCO2e", 100, 120, Verdict(chance))]

    assert Limit.parse("carbon>+10%").broken_by(changed(0.95))
    assert Limit.parse("carbon>+10%").broken_by(changed(0.6)) is None
    (noise,) = changed(0.6)
    assert noise.is_noise
