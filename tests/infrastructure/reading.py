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
    """Return a text as whoever gets it reads it, every reference in it replaced by X."""
    if not isinstance(value, dict):
        return str(value)
    parts = value.get("Fn::Join", ("", ["X"]))[1]
    return "".join(part if isinstance(part, str) else "X" for part in parts)
