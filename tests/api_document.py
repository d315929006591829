"""The API's document, and whether a response keeps to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "docs" / "openapi.yaml").read_text()
)
OPERATIONS = {("POST", "/answers"), ("GET", "/answers/{id}")}


def check(status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """Fail if no operation may answer so; headers, if given, have names in lower case."""
    declared = [
        responses[str(status)]["$ref"].rpartition("/")[2]
        for method, path in OPERATIONS
        if str(status) in (responses := DOCUMENT["paths"][path][method.lower()]["responses"])
    ]
    assert declared, f"no operation declares status {status}"
    faults = [list(_faults(name, body, headers)) for name in declared]
    assert [] in faults, f"status {status} does not keep to docs/openapi.yaml: {faults}"


def _faults(name: str, body: Any, headers: Mapping[str, str] | None) -> list[str]:
    response = DOCUMENT["components"]["responses"][name]
    schema = {**response["content"]["application/json"]["schema"], **_components()}
    faults = [error.message for error in Draft202012Validator(schema).iter_errors(body)]
    for header, declared in response.get("headers", {}).items() if headers is not None else ():
        if "$ref" in declared:
            declared = DOCUMENT["components"]["headers"][declared["$ref"].rpartition("/")[2]]
        if declared.get("required") and header.lower() not in headers:
            faults.append(f"{header} is missing")
    return faults


def _components() -> dict[str, Any]:
    return {"components": DOCUMENT["components"]}
