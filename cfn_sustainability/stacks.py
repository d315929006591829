"""Deployed stacks: their templates as CloudFormation expanded them, with their parameters.

All calls read, with the caller's credentials.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cfn_sustainability.account import Caller, regions_of, why
from cfn_sustainability.assembly import Sources
from cfn_sustainability.errors import CallError
from cfn_sustainability.reader import read
from cfn_sustainability.template import NESTED, Template

_HIDDEN = "****"
"""What CloudFormation tells of a parameter with NoEcho."""


def read_stack(name: str, region: str | None) -> Sources:
    """Return the template of a deployed stack, and those of the stacks that it nests.

    Macros, loops and SAM are expanded, and each parameter has the value that it was given.

    Raises
    ------
    CallError
        If the stack or a permission is missing, or no Region is named.
    TemplateError
        If CloudFormation tells no template.
    """
    (chosen, *_) = regions_of(region)
    caller = Caller(boto3.Session(), chosen)
    try:
        return dict(_read(caller, name, name))
    except (ClientError, BotoCoreError) as error:
        raise CallError(why(error, f"scan --stack {name} in {chosen}")) from None


def _read(
    caller: Caller, identifier: str, shown: str, parent: tuple[Template, str] | None = None
) -> Iterator[tuple[Template, Any]]:
    stacks = caller.client("cloudformation")
    answer = stacks.get_template(StackName=identifier, TemplateStage="Processed")["TemplateBody"]
    text = answer if isinstance(answer, str) else json.dumps(answer, indent=2)
    document = read(f"stack {shown}", text.encode())
    (stack,) = stacks.describe_stacks(StackName=identifier)["Stacks"]
    body = {**document.body, "Parameters": _given(document.body, stack.get("Parameters", []))}
    template = Template(body, source=document.source, region=caller.region)
    if parent:
        template.parents.append(parent)
    yield template, document
    listed = caller.all(
        "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=identifier
    )
    for resource in listed:
        logical_id, nested = resource["LogicalResourceId"], resource.get("PhysicalResourceId")
        if nested and resource["ResourceType"] in NESTED and logical_id in template.resources:
            yield from _read(caller, nested, f"{shown}/{logical_id}", (template, logical_id))


def _given(body: dict[str, Any], values: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the declared parameters, each with the value of the deployment as its only one."""
    declared = dict(body.get("Parameters") or {})
    for entry in values:
        key, value = entry["ParameterKey"], entry.get("ResolvedValue", entry.get("ParameterValue"))
        if isinstance(declared.get(key), dict) and value not in (None, _HIDDEN):
            kind = str(declared[key].get("Type", "String"))
            plain = kind if not kind.startswith("AWS::SSM::") else "String"
            declared[key] = {"Type": plain, "Default": value, "AllowedValues": [value]}
    return declared
