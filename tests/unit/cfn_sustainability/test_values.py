"""Intrinsic functions, parameters and conditions: judged where they can be, unknown elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfn_sustainability.engine import judge
from cfn_sustainability.program import link
from cfn_sustainability.reader import read
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Resource, Template
from cfn_sustainability.values import MARK, Unknown

ARM64 = [rule for rule in ALL if rule.name == "LambdaArm64"]


def value(expression: str, *, region: str | None = None, sections: str = "") -> Any:
    """Return what an expression in YAML comes to as a property."""
    text = f"{sections}\nResources: {{R: {{Type: A::B::C, Properties: {{P: {expression}}}}}}}"
    template = Template(read("t.yaml", text.encode()).body, region=region)
    return Resource(template, "R", {}).plain("P")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("!Sub 'a-${!b}-${AWS::Region}'", "a-${b}-eu-west-1"),
        ("!Sub ['${x}/${y}', {x: 1, y: !Select [1, [a, b]]}]", "1/b"),
        ("!Join ['-', [a, !Ref 'AWS::NoValue', !Join ['', [b, c]]]]", "a-bc"),
        ("!Select [0, !Split ['/', 'a/b']]", "a"),
        ("!FindInMap [Sizes, !Ref Stage, size]", "small"),
        ("!FindInMap [Sizes, prod, size, {DefaultValue: none}]", "none"),
        ("!Ref Stage", "dev"),
        ("!Ref Names", ["a", "b"]),
        ("!Ref AWS::NoValue", None),
        ("!Ref Secret", Unknown()),
        ("!Ref FromStore", Unknown()),
        ("!GetAtt R.Arn", Unknown()),
        ("!Sub 'arn:${Secret}:x'", Unknown(f"arn:{MARK}:x")),
        ("!Select [9, [a]]", Unknown()),
        ("!Join [1]", Unknown()),
        ("!Sub {a: 1}", Unknown()),
        ("!FindInMap [[], {}, 1]", Unknown()),
    ],
)
def test_functions(expression: str, expected: object) -> None:
    sections = """
Parameters:
  Stage: {Type: String, Default: dev}
  Names: {Type: CommaDelimitedList, Default: 'a,b'}
  Secret: {Type: String}
  FromStore: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /path}
Mappings: {Sizes: {dev: {size: small}}}
"""
    assert value(expression, region="eu-west-1", sections=sections) == expected


def findings(text: str) -> list[str]:
    """Return the messages of LambdaArm64 on a template in YAML."""
    judgement = judge(
        (Template(read("t.yaml", text.encode()).body),), settings=RuleSettings(), rules=ARM64
    )
    return [finding.message for finding in judgement.findings]


FUNCTION = "F: {Type: AWS::Lambda::Function, Properties: {Architectures: [%s]}}"


def test_both_branches_of_a_condition_are_judged_and_named() -> None:
    (message,) = findings(
        "Parameters: {Stage: {Type: String, AllowedValues: [dev, prod], Default: prod}}\n"
        "Conditions: {IsProd: !Equals [!Ref Stage, prod]}\n"
        "Resources: {" + FUNCTION % "!If [IsProd, arm64, x86_64]" + "}"
    )
    assert message.endswith("(when Stage is dev)")


def test_conditions_that_exclude_each_other_never_meet() -> None:
    conditions = """
Parameters: {Stage: {Type: String}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Equals [!Ref Stage, prod]
  IsNeither: !Not [!Or [{Condition: IsDev}, {Condition: IsProd}]]
  IsBoth: !And [!Condition IsDev, !Condition IsProd]
"""
    impossible = "!If [IsBoth, x86_64, arm64]"
    assert not findings(conditions + "Resources: {" + FUNCTION % impossible + "}")
    nested = "!If [IsDev, arm64, !If [IsProd, arm64, !If [IsNeither, arm64, x86_64]]]"
    assert not findings(conditions + "Resources: {" + FUNCTION % nested + "}")


def test_a_condition_on_what_only_deployment_knows_goes_both_ways() -> None:
    (message,) = findings(
        "Conditions: {Odd: !Equals [!Select [0, !GetAZs ''], a]}\n"
        "Resources: {" + FUNCTION % "!If [Odd, x86_64, arm64]" + "}"
    )
    assert message.endswith("(when Odd is True)")


def test_a_resource_that_never_exists_is_not_judged() -> None:
    never = (
        "Conditions: {Never: !Equals [a, b]}\nResources:\n  F:\n    Type: AWS::Lambda::Function\n"
    )
    assert findings(never)
    assert not findings(never + "    Condition: Never\n")


def test_cyclic_and_endless_conditions_are_unknown() -> None:
    cyclic = "Conditions: {A: !Not [{Condition: B}], B: !Not [{Condition: A}]}\n"
    assert findings(cyclic + "Resources: {" + FUNCTION % "!If [A, x86_64, arm64]" + "}")
    chain = ", ".join(f"C{n}: !Not [{{Condition: C{n + 1}}}]" for n in range(5000))
    long = f"Conditions: {{{chain}}}\nResources: {{{FUNCTION % '!If [C0, x86_64, arm64]'}}}"
    assert not findings(long)
    shared = ", ".join(
        f"C{n}: !And [{{Condition: C{n + 1}}}, {{Condition: C{n + 1}}}]" for n in range(60)
    )
    findings(f"Conditions: {{{shared}}}\nResources: {{{FUNCTION % '!If [C0, x86_64, arm64]'}}}")


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.data())
def test_verdict_over_all_worlds_is_that_of_the_worst(chosen: list[bool], data: Any) -> None:
    """Nested conditions over independent parameters: a fault is found if any world has it."""
    wasteful = data.draw(st.booleans())
    parameters = ", ".join(f"P{n}: {{Type: String}}" for n in range(len(chosen)))
    conditions = ", ".join(f"C{n}: !Equals [!Ref P{n}, a]" for n in range(len(chosen)))
    expression = "x86_64" if wasteful else "arm64"
    for number, branch in enumerate(chosen):
        pair = [expression, "arm64"] if branch else ["arm64", expression]
        expression = f"!If [C{number}, {', '.join(pair)}]"
    found = findings(
        f"Parameters: {{{parameters}}}\nConditions: {{{conditions}}}\n"
        f"Resources: {{{FUNCTION % expression}}}"
    )
    assert bool(found) == wasteful


def endpoint_program(target: dict[str, Any], outputs: dict[str, Any]) -> list[Template]:
    """Return an endpoint in one template and a scalable target in another."""
    endpoint = {
        "C": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [{"VariantName": "a"}]},
        },
        "E": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointConfigName": {"Fn::GetAtt": ["C", "EndpointConfigName"]}},
        },
    }
    scaling = {
        "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
        "Properties": {
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "ResourceId": {"Fn::Join": ["", ["endpoint/", target, "/variant/a"]]},
        },
    }
    programs = [
        Template({"Resources": endpoint, "Outputs": outputs}, complete=True),
        Template({"Resources": {"T": scaling}}, complete=True),
    ]
    link(programs)
    return programs


@pytest.mark.parametrize(
    ("target", "scaled"),
    [
        ({"Fn::ImportValue": "the-endpoint"}, True),
        ({"Fn::GetStackOutput": {"StackName": "s", "OutputName": "Name"}}, True),
        ({"Fn::ImportValue": "another"}, False),
    ],
)
def test_relations_reach_over_stacks(target: dict[str, Any], scaled: bool) -> None:
    outputs = {
        "Name": {"Value": {"Fn::GetAtt": ["E", "EndpointName"]}, "Export": {"Name": "the-endpoint"}}
    }
    judgement = judge(endpoint_program(target, outputs), settings=RuleSettings())
    names = {finding.demand.name for finding in judgement.findings}
    assert ("SageMakerEndpointScales" not in names) == scaled


@pytest.mark.parametrize("complete", [True, False])
def test_what_is_exported_may_be_scaled_by_a_template_that_was_not_read(complete: bool) -> None:
    outputs = {"Name": {"Value": {"Ref": "E"}, "Export": {"Name": "the-endpoint"}}}
    endpoint = endpoint_program({}, outputs)[0].body
    judgement = judge((Template(endpoint, complete=complete),), settings=RuleSettings())
    found = {finding.demand.name for finding in judgement.findings}
    unjudged = {unjudged.demand.name for unjudged in judgement.unjudged}
    assert "SageMakerEndpointScales" in (found if complete else unjudged)


def test_relations_reach_into_nested_stacks_and_out_of_them() -> None:
    serving, scaling = (one.body for one in endpoint_program({"Ref": "Endpoint"}, {}))
    passing = {"Parameters": {"Endpoint": {"Fn::GetAtt": ["E", "EndpointName"]}}}
    nested = {"N": {"Type": "AWS::CloudFormation::Stack", "Properties": passing}}
    parent = Template({"Resources": {**serving["Resources"], **nested}}, complete=True)
    child = Template({**scaling, "Parameters": {"Endpoint": {"Type": "String"}}}, complete=True)
    child.parents.append((parent, "N"))
    assert "SageMakerEndpointScales" not in found_in(parent, child)

    serving, scaling = (
        one.body
        for one in endpoint_program(
            {"Fn::GetAtt": ["N", "Outputs.Name"]}, {"Name": {"Value": {"Ref": "E"}}}
        )
    )
    child = Template(serving, complete=True)
    nested = {"N": {"Type": "AWS::CloudFormation::Stack"}}
    parent = Template({"Resources": {**scaling["Resources"], **nested}}, complete=True)
    child.parents.append((parent, "N"))
    assert "SageMakerEndpointScales" not in found_in(parent, child)


def found_in(*program: Template) -> set[str]:
    link(program)
    return {finding.demand.name for finding in judge(program, settings=RuleSettings()).findings}


def test_serverless_functions_are_judged_as_what_they_become() -> None:
    sam = "{}\nResources: {{F: {{Type: AWS::Serverless::Function}}}}"
    assert findings(sam.format("Transform: AWS::Serverless-2016-10-31"))
    assert not findings(sam.format("Globals: {Function: {Architectures: [arm64]}}"))
