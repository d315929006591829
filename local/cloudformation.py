"""CloudFormation resource types that the emulator lacks, handled by their schemas.

A resource is validated by the CloudFormation resource schema of its Region (from cfn-lint)
and recorded. Nothing else happens unless a `Behaviour` defines it. `Ref` returns the primary
identifier, `Fn::GetAtt` returns read-only properties, and a changed create-only property
replaces the resource, as the CloudFormation registry defines:
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cfnlint.context import Context
from cfnlint.helpers import REGIONS
from cfnlint.jsonschema import CfnTemplateValidator, ValidationError
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER, ResourceNotFoundError, Schema
from cfnlint.template import Template
from ministack.core.responses import get_account_id, get_region

from local import ministack_internals as internals
from local.replacements import Update, at, kept_name, update_of

Properties = Mapping[str, Any]

RECORDS: dict[str, dict[str, Any]] = {}
"""Every recorded resource that exists, by Region, type and physical id."""

# The documented return value of Ref where it is not the whole primary identifier.
_REF_EXCEPTIONS = {"AWS::ApplicationAutoScaling::ScalingPolicy": ["/properties/Arn"]}
# Services that other services call while they create a resource.
_HELPING_SERVICES = {"ec2", "iam", "kms"}


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a type does beside its record. Each function may raise to fail the deployment."""

    attributes: Callable[[str, Properties], dict[str, Any]] = lambda physical_id, props: {}
    create: Callable[[str, Properties], None] = lambda physical_id, props: None
    update: Callable[[str, Properties], None] = lambda physical_id, props: None
    delete: Callable[[str, Properties], None] = lambda physical_id, props: None


def register(behaviours: Mapping[str, Behaviour]) -> None:
    """Serve every type that the emulator lacks, and save the records with the emulator's state."""
    offered = {t for region in REGIONS for t in PROVIDER_SCHEMA_MANAGER.get_resource_types(region)}
    for type_name in offered - internals.RESOURCE_HANDLERS.keys():
        if type_name.startswith("AWS::Serverless::"):
            continue  # SAM types: the SAM transform replaces them
        behaviour = behaviours.get(type_name, Behaviour())
        internals.RESOURCE_HANDLERS[type_name] = handlers(type_name, behaviour)
    internals.keep("local_resources", lambda: RECORDS, RECORDS.update)


def handlers(type_name: str, behaviour: Behaviour = Behaviour()) -> dict[str, Any]:
    """Return the entry of the emulator's handler table that serves `type_name`."""

    def create(logical_id: str, props: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
        schema = _schema(type_name, logical_id)
        check_properties(schema, logical_id, props)
        attributes = _attributes(schema, logical_id, props, stack_name)
        attributes |= behaviour.attributes(_ref(schema, props, attributes), props)
        physical_id = _ref(schema, props, attributes)
        _refuse_duplicate(schema, physical_id, props)
        behaviour.create(physical_id, props)
        RECORDS[_key(type_name, physical_id)] = {
            "type": type_name,
            "id": physical_id,
            "region": get_region(),
            "properties": dict(props),
            "attributes": attributes,
        }
        return physical_id, attributes

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> tuple[str, dict[str, Any]]:
        schema = _schema(type_name, logical_id)
        check_properties(schema, logical_id, new)
        if refusal := custom_named_replacement_error(type_name, old, new):
            raise ValueError(refusal)
        if _update(type_name, old, new) is Update.REPLACED:
            replacement: tuple[str, dict[str, Any]]
            replacement = internals.seeded_create(create, logical_id, new, stack_name)
            return replacement
        behaviour.update(physical_id, new)
        record = RECORDS[_key(type_name, physical_id)]
        record["properties"] = dict(new)
        record["attributes"] |= behaviour.attributes(physical_id, new)
        return physical_id, record["attributes"]

    def delete(physical_id: str, props: Properties) -> None:
        if _key(type_name, physical_id) in RECORDS:
            behaviour.delete(physical_id, props)
            del RECORDS[_key(type_name, physical_id)]

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def custom_named_replacement_error(
    type_name: str, old: Properties, new: Properties, physical_id: str | None = None
) -> str | None:
    """Return CloudFormation's error if an update would replace a named resource, else None."""
    if _update(type_name, old, new) is not Update.REFUSED:
        return None
    name = kept_name(_schema(type_name, type_name), old, new)
    return (
        "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
        f"Rename {physical_id or name} and update the stack again."
    )


def _update(type_name: str, old: Properties, new: Properties) -> Update:
    def resource(props: Properties) -> dict[str, Any]:
        return {"Type": type_name, "Properties": props}

    return update_of(get_region(), resource(old), resource(new))


def check_properties(schema: Schema, logical_id: str, props: Properties) -> None:
    """Raise ValueError naming resource, property and what is allowed, unless `props` fit."""
    read_only = {_attribute_name(p) for p in schema.schema.get("readOnlyProperties", [])}
    problems = [
        f"{_place(name)}: is set by the service and cannot be given"
        for name in sorted(read_only & props.keys())
    ]
    problems += sorted(
        line
        for error in _validator(schema.schema).iter_errors(dict(props))
        for line in _lines(error, read_only)
    )
    if problems:
        raise ValueError(
            f"Properties validation failed for resource {logical_id} ({schema.type_name}): "
            + "; ".join(problems)
        )


def _schema(type_name: str, logical_id: str) -> Schema:
    try:
        return PROVIDER_SCHEMA_MANAGER.get_resource_schema(get_region(), type_name)
    except ResourceNotFoundError:
        offered = [
            region
            for region in REGIONS
            if type_name in PROVIDER_SCHEMA_MANAGER.get_resource_types(region)
        ]
        raise ValueError(
            f"Resource {logical_id}: {type_name} does not exist in {get_region()}. "
            f"Regions that have it: {', '.join(offered)}"
        ) from None


@cache
def _lenient() -> Context:
    # CloudFormation accepts "5" for 5 and "true" for true.
    context: Context = Template(None, {}).context.evolve(strict_types=False)
    return context


def _validator(schema: Any, **options: Any) -> Any:
    return CfnTemplateValidator(schema=schema, context=_lenient(), **options)


def _lines(error: ValidationError, read_only: set[str]) -> Iterator[str]:
    if error.context:
        for cause in error.context:
            yield from _lines(cause, read_only)
        return
    allowed = ""
    if error.validator == "additionalProperties":
        names = error.schema.get("properties", {}).keys() - read_only
        allowed = f". Allowed: {', '.join(sorted(names))}"
    yield f"{_place(*error.absolute_path)}: {error.message}{allowed}"


def _place(*path: Any) -> str:
    return "/".join(["#", *map(str, path)])


def _key(type_name: str, physical_id: str) -> str:
    return f"{get_region()} {type_name} {physical_id}"


def _refuse_duplicate(schema: Schema, physical_id: str, props: Properties) -> None:
    identifiers = schema.schema.get("additionalIdentifiers", [])
    for record in RECORDS.values():
        if (record["type"], record["region"]) != (schema.type_name, get_region()):
            continue
        taken = record["id"] == physical_id or any(
            all(at(props, p) is not None for p in identifier)
            and [at(props, p) for p in identifier]
            == [at(record["properties"], p) for p in identifier]
            for identifier in identifiers
        )
        if taken:
            raise ValueError(
                f"Resource of type '{schema.type_name}' with identifier '{record['id']}' "
                "already exists."
            )


def _ref(schema: Schema, props: Properties, attributes: Mapping[str, Any]) -> str:
    pointers = _REF_EXCEPTIONS.get(schema.type_name) or schema.schema["primaryIdentifier"]
    parts = []
    for pointer in pointers:
        given = at(props, pointer)
        parts.append(attributes[_attribute_name(pointer)] if given is None else given)
    return "|".join(map(str, parts))


def _attribute_name(pointer: str) -> str:
    return ".".join(pointer.split("/")[2:])


def _attributes(
    schema: Schema, logical_id: str, props: Properties, stack_name: str
) -> dict[str, Any]:
    """Generate the values of Fn::GetAtt and of identifiers that are not in the template.

    Each value is the first of several shapes (identifier, ARN, name, number, time) that fits the
    attribute's schema, so that it also fits the schemas of resources that refer to it.
    """
    kind = schema.type_name.rsplit("::", 1)[1]
    pointers = dict(schema.get_atts.items()) | {
        _attribute_name(p): p for p in schema.schema["primaryIdentifier"]
    }
    token = uuid.uuid4()
    name = next((props[p] for p in (f"{kind}Name", "Name") if p in props), None)
    name = name or internals.physical_name(stack_name, logical_id, max_len=63)
    shapes: list[Any] = [
        token.hex[:20],
        token.hex[:10],
        token.hex[:12],
        str(token),
        token.hex[:10].upper(),
        get_account_id(),
        "1",
        "DRAFT",
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        0,
        False,
        [],
    ]
    values: dict[str, Any] = {}
    # ARNs come last: they end in the identifier if the service generates one.
    for attribute, pointer in sorted(pointers.items(), key=lambda item: item[0].endswith("Arn")):
        if "*" in pointer:
            continue
        if (given := at(props, pointer)) is not None:
            values[attribute] = given
            continue
        own_shapes = shapes
        if attribute.endswith("Arn"):
            names = [values[i] for i in ("Id", f"{kind}Id") if i in values] or [name]
            own_shapes = _arns(schema, kind, [*names, *shapes[:5]])
        elif attribute.endswith("Name"):
            own_shapes = [name, name.lower(), *shapes]
        shape = schema.resolver.resolve_cfn_pointer(pointer)
        validator = _validator(shape, resolver=schema.resolver)
        values[attribute] = next(filter(validator.is_valid, own_shapes), own_shapes[0])
    return values


def _arns(schema: Schema, kind: str, names: list[Any]) -> list[str]:
    resource = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower()
    start = f"arn:aws:{_iam_prefix(schema)}:{get_region()}:{get_account_id()}"
    return [
        f"{start}:{path}{separator}{name}{version}"
        for path, version in ((resource, ""), (resource.removesuffix("-version"), ":1"))
        for separator in "/:"
        for name in names
    ]


def _iam_prefix(schema: Schema) -> str:
    """Return the service's name in ARNs, from the permissions to create the resource."""
    create = schema.schema.get("handlers", {}).get("create", {})
    for permission in create.get("permissions", []):
        service, _, action = permission.partition(":")
        creates = action.startswith(("Create", "Put", "Register"))
        if creates and service not in _HELPING_SERVICES:
            return str(service)
    return str(schema.type_name.split("::")[1].lower())
