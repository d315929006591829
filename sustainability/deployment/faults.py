"""What a person reads about a value that the schema refuses: what is wrong, and what to write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from sustainability.errors import choose

_NEEDED = {
    "missing": "is missing, and has no default",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a finite number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "tuple_type": "write a list: [first, second], or one entry a line, each after `- `",
    "dict_type": "write keys with values, such as {key: value}",
}
_LIMITS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "string_too_short": "write at least {min_length} characters",
}


def explain(fault: Mapping[str, Any], written: str, model: type[BaseModel]) -> tuple[str, str]:
    """Return the key that a fault of pydantic is about, and a sentence with the cure.

    Parameters
    ----------
    fault
        One of ``ValidationError.errors()``.
    written
        The value as the file has it, before YAML made something else of it.
    model
        The model of the whole file.
    """
    kind, location = fault["type"], fault["loc"]
    if location[-1:] == ("[key]",):
        return _joined(location[:-2]), f'write the key {location[-2]} in quotes: "{location[-2]}"'
    return _joined(location), _sentence(kind, fault, written, model)


def _joined(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "deployment"


def _sentence(kind: str, fault: Mapping[str, Any], written: str, model: type[BaseModel]) -> str:
    location, limits = fault["loc"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {_allowed(str(location[-1]), _keys(location[:-1], model))}"
    if kind == "model_type":
        return f"write keys with values; allowed here: {', '.join(_keys(location, model))}"
    if kind == "string_type":
        if isinstance(fault["input"], dict | list) or not written:
            return "write one text"
        return f'YAML does not read {written} as text; write it in quotes: "{written}"'
    if kind in ("enum", "literal_error"):
        allowed = re.findall("'([^']+)'", limits["expected"])
        return f"{written!r}: {choose(written, allowed)}"
    shown = f"{written!r}: " if written else ""
    if kind in _LIMITS:
        return shown + _LIMITS[kind].format(**limits)
    if kind in _NEEDED:
        return shown + _NEEDED[kind] if kind != "missing" else _NEEDED[kind]
    return str(fault["msg"]).removeprefix("Value error, ")


def _allowed(word: str, known: list[str]) -> str:
    cure = choose(word, known)
    return cure if cure.startswith("did") else f"allowed here: {', '.join(known)}"


def _keys(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Return the keys of the section at ``location``."""
    for part in location:
        field = model.model_fields.get(str(part))
        candidates = (field.annotation, *get_args(field.annotation)) if field else ()
        for candidate in candidates:
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return sorted(model.model_fields)
