"""The reference of the API, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

DOCUMENT = Path("docs/openapi.yaml")


def page(root: Path) -> str:
    """Return every route, response and field, as Markdown."""
    api = yaml.safe_load((root / DOCUMENT).read_text(encoding="utf-8"))
    components = api["components"]
    parts = [
        "# Reference of the API",
        "Made from [openapi.yaml](openapi.yaml), from which you can also make a client. "
        "[api.md](api.md) explains the API with examples.",
    ]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts += [f"## `{method.upper()} {path}`", f"{operation['summary']}."]
            asked = operation.get("requestBody")
            if asked is not None:
                schema = asked["content"]["application/json"]["schema"]
                parts.append(f"Body: {_kind(schema)}.")
            rows = []
            for status, reference in operation["responses"].items():
                response = components["responses"][_last(reference)]
                schema = response["content"]["application/json"]["schema"]
                headers = ", ".join(f"`{name}`" for name in response.get("headers", {}))
                rows.append(
                    f"| {status} | {response['description']} | {_kind(schema)} | {headers} |"
                )
            header = ["| Status | Meaning | Body | Headers |", "|---|---|---|---|"]
            parts.append("\n".join([*header, *rows]))
    for name, schema in components["schemas"].items():
        parts.append(f"## {name}")
        if schema.get("description"):
            parts.append(schema["description"])
        rows = list(_rows("", schema))
        if rows:
            header = ["| Field | Values | Always | Meaning |", "|---|---|---|---|"]
            parts.append("\n".join([*header, *rows]))
        else:
            parts.append(f"{_kind(schema)}.")
    return "\n\n".join(parts) + "\n"


def _rows(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    needed = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        always = "yes" if name in needed else ""
        yield f"| `{path}{name}` | {_kind(field)} | {always} | {field.get('description', '')} |"
        yield from _rows(f"{path}{name}.", field)


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what values a schema accepts."""
    if "$ref" in schema:
        name = _last(schema)
        return f"[{name}](#{name.lower()})"
    if "oneOf" in schema:
        return " or ".join(_kind(each) for each in schema["oneOf"])
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "value")
    words = " or ".join(kinds if isinstance(kinds, list) else [kinds])
    if "items" in schema:
        return f"{words} of {_kind(schema['items'])}"
    limits = [f"{key} {schema[key]}" for key in _LIMITS if key in schema]
    pattern = [f"`{schema['pattern']}`"] if "pattern" in schema else []
    return ", ".join([words, *limits, *pattern]).replace("|", "\\|")


_LIMITS = ("minimum", "maximum", "minLength", "maxLength")


def _last(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]
