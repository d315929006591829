"""Reading synthesized templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Template = dict[str, Any]
Templates = dict[str, Template]
"""By the name of the stack."""


def resources(of: Template | Templates, type_: str) -> Iterator[dict[str, Any]]:
    """Yield the properties of each resource of a type, of one template or of several by name."""
    for template in [of] if "Resources" in of else of.values():
        for resource in template["Resources"].values():
            if resource["Type"] == type_:
                yield resource["Properties"]


def only(template: Template, type_: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type."""
    (found,) = resources(template, type_)
    return found


def flat(value: Any) -> str:
    """Return a text with references replaced by what refers to them."""
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(flat, parts))
        case {"Ref": name} | {"Fn::GetAtt": [name, *_]}:
            return f"<{name}>"
        case {"Fn::GetStackOutput": output}:
            return f"<{output['OutputName']}>"
    return str(value)
