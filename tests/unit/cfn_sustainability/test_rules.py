"""Each rule: its cases, its record, and that its properties exist."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from cfn_sustainability.engine import examine
from cfn_sustainability.practices import load_practices, step_of
from cfn_sustainability.properties import Fault
from cfn_sustainability.reference import rules_markdown
from cfn_sustainability.rule import Outcome, Severity
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import Profile
from cfn_sustainability.template import TEMPLATE, Resource, Template
from tests.unit.cfn_sustainability.cases import CASES, Case

ROOT = Path(__file__).resolve().parents[3]
# Made by the CDK and by HyperPod's newer schemas; the provider's schemas do not list them.
WITHOUT_SCHEMA = {TEMPLATE, "Custom::LogRetention"}


def judged(case: Case) -> tuple[Outcome, list[tuple[str, Fault]]]:
    """Return the gravest outcome of the rule on the case, and the faults by resource type."""
    template = Template(case.body, region=case.region)
    outcomes, faults = {Outcome.NOT_APPLICABLE}, []
    for logical_id, resource in template.resources.items():
        if resource["Type"] in case.rule.resources:
            outcome, found = examine(case.rule, template, logical_id, case.settings)
            outcomes.add(outcome)
            faults += [(resource["Type"], fault) for fault, *_ in found]
    order = (Outcome.NON_COMPLIANT, Outcome.UNKNOWN, Outcome.COMPLIANT, Outcome.NOT_APPLICABLE)
    return min(outcomes, key=order.index), faults


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case) -> None:
    outcome, faults = judged(case)
    assert outcome is case.outcome
    assert bool(faults) == (outcome is Outcome.NON_COMPLIANT)


PRESENCE_IS_THE_FAULT = {"GenerativeTracesExpire", "LambdaArm64"}
"""Rules that a resource elsewhere can only turn against more, or whose doubt is a warning."""


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.outcome is Outcome.NON_COMPLIANT], ids=str
)
def test_what_leaves_to_unread_templates_is_not_called_alone(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that misses a relation cannot judge what another template may relate to."""
    missed: set[str] = set()
    referrers = Resource.referrers

    def spied(one: Resource, *types: str, at: str = "") -> Iterator[Resource]:
        found = list(referrers(one, *types, at=at))
        if not found:
            missed.add(one.logical_id)
        yield from found

    monkeypatch.setattr(Resource, "referrers", spied)
    judged(case)
    if case.rule.name in PRESENCE_IS_THE_FAULT or not missed:
        return
    outputs = {
        f"Of{name}": {"Value": {"Ref": name}, "Export": {"Name": name}}
        for name in case.body["Resources"]
    }
    shared = replace(case, body={**case.body, "Outputs": outputs})
    assert judged(shared)[0] is not Outcome.NON_COMPLIANT


def test_names_are_unique_and_every_rule_has_an_edge() -> None:
    assert len({rule.name for rule in ALL}) == len(ALL) >= 45
    assert all(rule.cases.edges for rule in ALL)


def test_every_practice_is_enforced_or_says_why_not() -> None:
    practices = load_practices()
    used = {practice for rule in ALL for practice in rule.practices}
    assert all(rule.practices for rule in ALL)
    assert used <= practices.keys()
    assert {name for name, practice in practices.items() if practice.without_rule} == (
        practices.keys() - used
    )


def test_a_rule_serves_a_step_of_each_practice_that_it_names() -> None:
    """Each practice asks for certain steps; a rule of it is about what one of them names."""
    strangers = {
        f"{rule.name}: {practice}"
        for rule in ALL
        for practice in rule.practices
        if step_of(rule, practice) is None
    }
    assert not strangers


def test_standbys_and_minimums_are_judged_in_development_alone() -> None:
    production = [rule for rule in ALL if rule.profiles == (Profile.PRODUCTION,)]
    assert all(rule.severity is Severity.WARNING for rule in production)
    assert any(rule.profiles == (Profile.DEVELOPMENT,) for rule in ALL)


def test_reference_is_current() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == rules_markdown(), "run: python -m cfn_sustainability rules > docs/rules.md"


def test_faults_name_properties_that_exist() -> None:
    unknown = set()
    for case in CASES:
        for kind, fault in judged(case)[1]:
            if kind not in WITHOUT_SCHEMA and not exists(kind, fault.path):
                unknown.add(f"{case.rule.name}: {kind} has no {'.'.join(map(str, fault.path))}")
    assert not unknown


def exists(kind: str, path: tuple[str | int, ...]) -> bool:
    """Return whether the CloudFormation schema of a resource type has a property path."""
    document = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    nodes = [document]
    for part in path:
        following = []
        for node in _alternatives(document, nodes):
            if isinstance(part, int):
                following.append(node.get("items"))
            else:
                following.append(node.get("properties", {}).get(part))
                following += node.get("patternProperties", {}).values()
        nodes = [node for node in following if node is not None]
    return bool(nodes)


def _alternatives(document: dict[str, Any], nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, waiting = [], list(nodes)
    while waiting:
        node = waiting.pop()
        if "$ref" in node:
            waiting.append(document["definitions"][node["$ref"].rpartition("/")[2]])
            continue
        found.append(node)
        for key in ("oneOf", "anyOf", "allOf"):
            waiting += node.get(key, [])
    return found


@pytest.mark.parametrize(
    ("practice", "page"),
    [
        ("GENSUS01-BP01", "generative-ai-lens/gensus01-bp01"),
        ("MLSUS05-BP03", "machine-learning-lens/mlsus05-bp03"),
        ("AGENTSUS02-BP03", "agentic-ai-lens/agentsus02-bp03"),
        ("SUS02-BP04", "sustainability-pillar/sus_sus_user_a5"),
        ("SUS06-BP05", "sustainability-pillar/sus_sus_dev_a5"),
    ],
)
def test_a_practice_links_to_the_page_that_explains_it(practice: str, page: str) -> None:
    assert load_practices()[practice].url.endswith(f"/latest/{page}.html")
