"""Diagrams of what is deployed, drawn from the recorded templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

RECORDED = Path("tests/infrastructure/__snapshots__/test_stacks")
SHOWN = {
    "dev-rag": "A team that tries things out: S3 Vectors, everything scales to zero (`dev`)",
    "prod-rag": "Steady use: an OpenSearch domain (`prod`)",
    "local-rag": "OpenSearch Serverless (`local`)",
    "bridged-inference": "An Inferentia2 endpoint that sleeps (`examples/bridged`)",
    "batch-inference": "Windows for questions that can wait (`examples/batch`)",
    "tuned-customization": "A pipeline that tunes a model of your own",
    "dev-budget": "The budget (`dev`)",
}
"""The stacks that have a diagram, and its title."""
_LEFT_OUT = (
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CDK::",
    "AWS::IAM::",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::",
    "AWS::OpenSearchServerless::AccessPolicy",
    "AWS::OpenSearchServerless::SecurityPolicy",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::",
)
"""Types that grant, log or set up: they are beside the way of the data."""
_JOINTS = {
    "AWS::ApiGatewayV2::Integration": ("ApiId", "IntegrationUri"),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn", "FunctionName"),
}
"""Types that only join two others, and the properties that name where from and where to."""
_NAMES = {
    "AWS::OpenSearchServerless::CollectionGroup": ("Name", '"CollectionGroupName": "'),
    "AWS::SageMaker::Endpoint": ("EndpointName", '"Name": "EndpointName", "Value": "|endpoint/'),
    "AWS::SageMaker::InferenceComponent": (
        "InferenceComponentName",
        '"Name": "InferenceComponentName", "Value": "|inference-component/',
    ),
    "AWS::SSM::Parameter": ("Name", ":parameter"),
}
"""Types that others name by a text: the property with the name, and what stands before it there."""
_TAKES_ON = ("Role", "RoleArn", "ExecutionRoleArn")
_BEDROCK = "Bedrock"
"""The models of Bedrock: no resource, but a part of what is deployed."""
_CLEANER = "CustomResourceProvider"
"""In the id of a function that the CDK adds to empty buckets."""
_SHAPES = {
    "AWS::S3::Bucket": ("[(", ")]"),
    "AWS::DynamoDB::Table": ("[(", ")]"),
    "AWS::S3Vectors::VectorBucket": ("[(", ")]"),
    "AWS::OpenSearchService::Domain": ("[(", ")]"),
    "AWS::OpenSearchServerless::Collection": ("[(", ")]"),
    "AWS::SQS::Queue": ("[/", "/]"),
    "AWS::SNS::Topic": ("[/", "/]"),
    "AWS::CloudWatch::Alarm": ("{{", "}}"),
}


def page(root: Path) -> str:
    """Return the page with all diagrams, as Markdown."""
    parts = [
        "# Diagrams of the stacks",
        "Drawn from the synthesized templates, so they show what is deployed: a test compares "
        "the recorded ones with the synthesis. An arrow points from a resource to one that it "
        "names, or that its role may use. Roles, policies and logs are left out.",
    ]
    for name, title in SHOWN.items():
        template = json.loads((root / RECORDED / f"{_file(name)}.json").read_text())
        parts += [f"## {title}", f"```mermaid\n{diagram(template)}\n```"]
    return "\n\n".join(parts) + "\n"


def _file(name: str) -> str:
    return f"test_template_is_as_recorded[{name}]"


def diagram(template: Mapping[str, Any]) -> str:
    """Return a flowchart of a template in the language of Mermaid."""
    resources: Mapping[str, Any] = template["Resources"]
    shown = {
        name: resource
        for name, resource in resources.items()
        if not resource["Type"].startswith(_LEFT_OUT) and _CLEANER not in name
    }
    lines = ["flowchart LR"]
    for name, resource in shown.items():
        opens, closes = _SHAPES.get(resource["Type"], ("[", "]"))
        kind = resource["Type"].removeprefix("AWS::").replace("::", " ")
        lines.append(f'  {name}{opens}"{_title(name)}<br/><small>{kind}</small>"{closes}')
    found = (*_joined(resources), *_named(shown), *_called(shown), *_used(resources, shown))
    edges = dict.fromkeys(
        (start, end)
        for start, end in found
        if start != end and start in shown and end in {*shown, _BEDROCK}
    )
    if any(end == _BEDROCK for _, end in edges):
        lines.append(f'  {_BEDROCK}(["Bedrock<br/><small>models</small>"])')
    return "\n".join([*lines, *(f"  {start} --> {end}" for start, end in edges)])


def _title(name: str) -> str:
    """Return the words of a logical id, without the CDK's digest and repetitions."""
    words = re.sub(r"(Resource)?([0-9a-f]{8})?[0-9A-F]{8}$", "", name)
    return " ".join(re.findall(r"[A-Z][a-z]+[0-9]*|[A-Z]+(?![a-z])|[0-9]+|[a-z]+", words)) or name


def _joined(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair that a third resource joins."""
    for resource in resources.values():
        if resource["Type"] in _JOINTS:
            first, last = _JOINTS[resource["Type"]]
            properties = resource["Properties"]
            for start in _references(properties.get(first)):
                for end in _references(properties.get(last)):
                    yield start, end


def _named(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair of a resource and one that its properties name."""
    for name, resource in shown.items():
        for target in _references(resource.get("Properties", {})):
            yield name, target


def _used(resources: Mapping[str, Any], shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair of a resource with a role and what the policies of the role name."""
    owners: dict[str, list[str]] = {}
    for name, resource in shown.items():
        for role in _roles(resource.get("Properties", {})):
            owners.setdefault(role, []).append(name)
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Policy":
            roles, policy = _references(properties.get("Roles", [])), properties["PolicyDocument"]
        elif resource["Type"] == "AWS::IAM::Role":
            roles, policy = iter([name]), properties.get("Policies", [])
        else:
            continue
        used = [*_references(policy), *_called_in(policy, shown)]
        if '"bedrock:' in json.dumps(policy):
            used.append(_BEDROCK)
        for role in roles:
            for owner in owners.get(role, ()):
                yield from ((owner, target) for target in used)


def _called(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each pair of a resource and one whose name it has as a text."""
    for name, resource in shown.items():
        for target in _called_in(resource.get("Properties", {}), shown):
            yield name, target


def _called_in(value: Any, shown: Mapping[str, Any]) -> Iterator[str]:
    text = json.dumps(value)
    for name, resource in shown.items():
        if resource["Type"] in _NAMES:
            key, before = _NAMES[resource["Type"]]
            called = re.escape(resource["Properties"][key])
            if re.search(rf"(?<![\w-])(?:{before}){called}(?![\w-])", text):
                yield name


def _roles(value: Any) -> Iterator[str]:
    """Yield the roles that a resource takes on; a policy of its own names others, too."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _references(inner) if key in _TAKES_ON else _roles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(inner)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        got = value.get("Fn::GetAtt")
        if isinstance(got, list):
            yield got[0]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
