"""Decides what a stack update does to a resource: in place, replacement, or refusal.

As in CloudFormation, a changed create-only property replaces the resource. A resource with a name
in the template cannot be replaced, because the new one would need the same name. The resource
schemas in cfn-lint say which properties are create-only.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError, Schema

Resource = Mapping[str, Any]
"""A resource of a template: Type, Properties and policies."""


class Update(StrEnum):
    """What an update does to a resource."""

    IN_PLACE = "in place"
    REPLACED = "replaced"
    """A new resource is created, then the old one is deleted with its data."""
    REFUSED = "refused"
    """A named resource would need a replacement: the whole update fails."""


# The documentation says "Update requires: Replacement", but the schema does not.
_ALSO_CREATE_ONLY = {
    "AWS::DynamoDB::Table": ["/properties/KeySchema"],
    "AWS::OpenSearchService::Domain": ["/properties/EngineVersion"],
    "AWS::SageMaker::InferenceComponent": ["/properties/InferenceComponentName"],
}


def update_of(region: str, old: Resource, new: Resource) -> Update:
    """Return what an update from ``old`` to ``new`` does; both have one logical id and type.

    References are compared as text. The caller must know whether the resource behind a reference is
    replaced.
    """
    schema = schema_of(old["Type"], region)
    if schema is None:
        return Update.IN_PLACE
    before, after = old.get("Properties", {}), new.get("Properties", {})
    if not any(at(before, p) != at(after, p) for p in create_only(schema, new)):
        return Update.IN_PLACE
    return Update.REFUSED if kept_name(schema, before, after) else Update.REPLACED


def create_only(schema: Schema, resource: Resource) -> list[str]:
    """Return the pointers of the properties whose change replaces ``resource``."""
    pointers = [
        *schema.schema.get("createOnlyProperties", []),
        *_ALSO_CREATE_ONLY.get(schema.type_name, []),
    ]
    if resource.get("UpdatePolicy", {}).get("EnableVersionUpgrade"):
        pointers.remove("/properties/EngineVersion")
    return pointers


def kept_name(schema: Schema, before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Return the name of a resource in its template that an update keeps, if there is one."""
    kind = schema.type_name.rsplit("::", 1)[1]
    for identifier in (
        schema.schema["primaryIdentifier"],
        *schema.schema.get("additionalIdentifiers", []),
        [f"/properties/{kind}Name"],
        ["/properties/Name"],
    ):
        fixed = set(identifier) <= set(create_only(schema, {}))
        values = [at(before, pointer) for pointer in identifier]
        if fixed and None not in values and values == [at(after, p) for p in identifier]:
            return "|".join(map(str, values))
    return None


def schema_of(type_name: str, region: str) -> Schema | None:
    """Return the schema of a type, or None for an unknown type."""
    if type_name.startswith("Custom::"):
        return None
    try:
        return PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, type_name)
    except ResourceNotFoundError:
        return None


def at(value: Any, pointer: str) -> Any:
    """Return the value at a schema pointer such as /properties/Budget/BudgetName, or None."""
    for step in pointer.split("/")[2:]:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def references(value: Any) -> Iterator[str]:
    """Yield the logical ids that a property refers to."""
    if isinstance(value, Mapping):
        if isinstance(reference := value.get("Ref"), str):
            yield reference
        if reference := value.get("Fn::GetAtt"):
            yield reference[0] if isinstance(reference, list) else reference.partition(".")[0]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)
