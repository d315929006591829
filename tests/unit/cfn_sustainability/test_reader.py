"""Reading templates from anybody: the same data from JSON and YAML, places, and no surprises."""

from __future__ import annotations

import copy
import json
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cfn_sustainability.engine import judge
from cfn_sustainability.reader import BYTES_MAX, TemplateError, read, read_file
from cfn_sustainability.report import FORMATS, Report
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Template
from tests.unit.cfn_sustainability.cases import CASES

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.printable),
    lambda children: st.lists(children) | st.dictionaries(st.text(string.printable), children),
    max_leaves=20,
)


@given(st.dictionaries(st.text(string.printable), plain))
def test_json_and_yaml_give_the_same_data(resources: dict[str, Any]) -> None:
    body = {"Resources": resources}
    assert read("t.json", json.dumps(body).encode()).body == body
    assert read("t.yaml", yaml.safe_dump(body).encode()).body == body


def test_short_forms() -> None:
    text = b"""
Resources:
  A: !Ref B
  C: !GetAtt D.E.F
  G: !Sub ["${H}", {H: !ImportValue i}]
  J: !If [K, !Condition L, 2012-10-10]
"""
    assert read("t.yaml", text).body["Resources"] == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "E.F"]},
        "G": {"Fn::Sub": ["${H}", {"H": {"Fn::ImportValue": "i"}}]},
        "J": {"Fn::If": ["K", {"Condition": "L"}, "2012-10-10"]},
    }


BODY = {"Resources": {"A": {"Type": "T", "Properties": {"P": [1, {"Q": 2}], "R\n": 3}}}}
PLACES = [
    (("Resources", "A", "Properties", "P", 1, "Q"), '"Q"'),
    (("Resources", "A", "Properties", "R\n"), '"R\\n"'),
    (("Resources", "A", "Properties", "P", 1, "Absent"), '{"Q"'),
    (("Resources", "A", "Properties", "Absent"), '"Properties"'),
]


@pytest.mark.parametrize("name", ["t.json", "t.yaml"])
@pytest.mark.parametrize("indent", [None, 1, 4])
def test_positions(name: str, indent: int | None) -> None:
    text = json.dumps(BODY, indent=indent)
    document = read(name, text.encode() if name == "t.json" else f"# a\n{text}".encode())
    lines = document.text.split("\n")
    positions = document.positions([path for path, _ in PLACES])
    for path, start in PLACES:
        line, column = positions[path]
        rest = "".join([lines[line - 1][column - 1 :], *lines[line:]]).replace(" ", "")
        assert rest.startswith(start)


BOMB = "a: &a0 [x, x]\n" + "".join(
    f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("content", "place", "problem"),
    [
        (b"", "1:1", "no mapping named Resources"),
        (b"Resources: []", "1:1", "no mapping named Resources"),
        (b"a: \xff", "1:4", "not UTF-8"),
        (b"a: 1\nb: [", "3:1", "not YAML"),
        (b"a: 1\n<<: 2", "3:", "merge key"),
        (b"a: 1\n--- \nb: 2", "2:1", "more than one document"),
        (b"? [a]\n: b", "1:3", "a key that is no text"),
        (b"a: \x07", "1:1", "not YAML"),
        (b"a: *b", "1:4", "no complete anchor"),
        (b"a: &a [*a]", "1:8", "no complete anchor"),
        (BOMB.encode(), "7:", "more than 500,000 values"),
        (b"[" * 100_000, "1:101", "nested deeper"),
        (b'{"a":' * 100_000, "1:1", "nested deeper"),
        (b"a: " + b"[" * 101 + b"]" * 101, "1:", "nested deeper"),
        (b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}", "1:1", "nested deeper"),
        (b'{"a": ' + b"9" * 5000 + b"}", "1:1", "digits"),
        (b"x" * (BYTES_MAX + 1), "1:1", "larger than 8 MiB"),
    ],
)
def test_hostile_content_is_an_error_with_a_place(content: bytes, place: str, problem: str) -> None:
    with pytest.raises(TemplateError) as error:
        read("t.yaml", content)
    assert str(error.value).startswith(f"t.yaml:{place}")
    assert problem in str(error.value)


def test_broken_json_is_told_by_line() -> None:
    with pytest.raises(TemplateError, match=r"^t\.json:2:1: not JSON"):
        read("t.json", b'{"a": 1,\n}')


def test_fifty_megabytes_are_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(50 * 2**20)
    with pytest.raises(TemplateError, match="larger than"):
        read_file(big)


def test_python_tags_construct_nothing() -> None:
    content = b"Resources: {A: !!python/object/apply:os.getcwd []}"
    assert read("t.yaml", content).body == {"Resources": {"A": []}}


TYPES = sorted({kind for rule in ALL for kind in rule.resources})
KEYS = sorted(
    {"Ref", "Fn::If", "Fn::Sub", "Fn::Join", "Fn::GetAtt", "Fn::FindInMap", "Fn::Select", "Rules"}
    | {"Fn::Split", "Fn::ImportValue", "Fn::Transform", "Fn::GetStackOutput", "Condition"}
    | {"Properties", "Architectures", "ProductionVariants", "LifecycleConfiguration", "Tags"}
    | {"Definition", "DefinitionString", "ResourceId", "MethodSettings", "Mappings", "Variants"}
    | {"EndpointConfigName", "DistributionConfig", "Metadata", "cdk_nag", "rules_to_suppress"}
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["A", "B", "C", "", "${A}", "{", '{"a": "${B}"}', "rate(x)", "cron(* *)"])
    | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), children, max_size=4)
    ),
    max_leaves=12,
)
resources = st.fixed_dictionaries(
    {"Type": st.sampled_from(TYPES) | anything},
    optional={"Properties": anything, "Condition": anything, "Metadata": anything},
)
templates = st.fixed_dictionaries(
    {"Resources": st.dictionaries(st.sampled_from("ABC"), resources | anything)},
    optional={
        name: anything | st.dictionaries(st.sampled_from("ABC"), anything)
        for name in ("Parameters", "Conditions", "Mappings", "Outputs", "Globals", "Metadata")
    },
)


@st.composite
def mutated_cases(draw: st.DrawFn) -> dict[str, Any]:
    """Return the template of a case in which some value is replaced by anything."""
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(CASES)).body)
    node: Any = body["Resources"]
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return body
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or draw(st.integers(0, 3)) == 0:
            node[key] = draw(anything)
            return body
        node = node[key]


@given(templates | mutated_cases(), st.sampled_from(Profile))
@settings(max_examples=300)
def test_no_template_makes_the_rules_fail(body: dict[str, Any], profile: Profile) -> None:
    """Whatever stands where, judging and reporting it end in a report."""
    document = read("t.json", json.dumps(body).encode())
    template = Template(document.body, source="t.json")
    chosen = RuleSettings(profile=profile, allowed_regions=("a",), required_tags=("b",))
    judgement = judge((template,), settings=chosen)
    report = Report(judgements=[judgement], documents={template: document}, ignored={}, strict=True)
    for form in FORMATS.values():
        form(report).encode()
