"""CloudFormation templates as resources, with references resolved as far as a file allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sustainability.errors import UserError


class TemplateError(UserError):
    """A file that is not a CloudFormation template."""


class NotKnown(Exception):
    """Something always on whose amount cannot be calculated; the message says why."""


@dataclass(frozen=True)
class Resource:
    """A resource of a template, with references to parameters and other resources resolved."""

    name: str
    type: str
    properties: Mapping[str, Any]
    template: Mapping[str, Any]

    def get(self, *path: str, default: Any = None) -> Any:
        """Return a property, ``default`` if it is not set.

        Raises
        ------
        NotKnown
            If only CloudFormation can resolve its value.
        """
        value: Any = self.properties
        for key in path:
            value = self._resolve(value.get(key) if isinstance(value, dict) else None, key)
        return default if value is None else value

    def _resolve(self, value: Any, key: str) -> Any:
        if not isinstance(value, dict) or len(value) != 1:
            return value
        (function, argument), *_ = value.items()
        if function == "Ref" or function.startswith("Fn::"):
            parameters = self.template.get("Parameters") or {}
            default = parameters.get(argument, {}).get("Default") if function == "Ref" else None
            if default is None:
                raise NotKnown(f"the value of {key} is known only at deployment")
            return default
        return value

    def number(self, *path: str, default: float = 0) -> float:
        """Return a property as a number."""
        value = self.get(*path, default=default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise NotKnown(f"{path[-1]} is {value!r}") from None

    def neighbour(self, reference: Any) -> Resource:
        """Return the resource of the same template that ``reference`` names."""
        if isinstance(reference, dict):
            name = reference.get("Ref") or (reference.get("Fn::GetAtt") or [None])[0]
            body = (self.template.get("Resources") or {}).get(name)
            if isinstance(body, dict):
                return Resource(name, body["Type"], body.get("Properties") or {}, self.template)
        raise NotKnown("it refers to a resource outside the template")


def read_resources(paths: Sequence[Path]) -> Iterator[Resource]:
    """Yield every resource of the templates.

    Raises
    ------
    TemplateError
        If a file is not a template.
    """
    for path in paths:
        template = _read(path)
        for name, body in template["Resources"].items():
            if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
                raise TemplateError(f"{path}: resource {name} has no Type")
            yield Resource(name, body["Type"], body.get("Properties") or {}, template)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        template = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError) as error:
        raise TemplateError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path}: not a CloudFormation template, because it has no Resources")
    return template


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions, such as ``!Ref`` and ``!GetAtt``."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)
