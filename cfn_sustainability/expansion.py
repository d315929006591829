"""Expanding what CloudFormation expands before it makes resources: ``Fn::ForEach`` loops.

A loop over literals, mappings or parameters with a default is written out. Anything else stays as
it stands: the resources in it are known only to a deployment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfn_sustainability.values import Undecidable, Unknown, intrinsic, section

LOOP = "Fn::ForEach::"
_LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
_SECTIONS = ("Conditions", "Resources", "Outputs")
_NODES_MAX = 500_000
_WITHOUT_RESOURCES = (
    _LANGUAGE_EXTENSIONS,
    "AWS::CodeDeployBlueGreen",
    "AWS::Include",
    "AWS::Serverless-2016-10-31",
)
"""Transforms that are expanded here, or add no resource that a rule judges."""

Path = tuple[str | int, ...]
Resolve = Callable[[Any], Any]
_Entry = tuple[str, Any, Path]


@dataclass(frozen=True)
class Expansion:
    """A template after its loops."""

    body: Mapping[str, Any]
    origins: Mapping[str, Path]
    """Where resources that a loop made are written, by logical id."""


def transforms(body: Mapping[str, Any]) -> list[str]:
    """Return the names of the macros that a template declares for itself as a whole."""
    declared = body.get("Transform")
    return [
        str(entry.get("Name") if isinstance(entry, dict) else entry)
        for entry in (declared if isinstance(declared, list) else [declared])
        if entry
    ]


def unknown_macros(body: Mapping[str, Any]) -> list[str]:
    """Return the declared macros that only an account can run."""
    return [name for name in transforms(body) if name not in _WITHOUT_RESOURCES]


def expand(body: Mapping[str, Any], resolve: Resolve) -> Expansion:
    """Write out the loops of a template; ``resolve`` tells what a value comes to."""
    everywhere = _LANGUAGE_EXTENSIONS in transforms(body)
    loops = any(str(key).startswith(LOOP) for name in _SECTIONS for key in section(body, name))
    if not everywhere and not loops:
        return Expansion(body, {})
    expander = _Expander(resolve)
    expanded, origins = dict(body), {}
    for name in _SECTIONS:
        try:
            entries = list(expander.entries(section(body, name), {}, (name,)))
        except _TooMany:
            continue
        if entries:
            expanded[name] = {key: value for key, value, _ in entries}
        if name == "Resources":
            origins = {key: path for key, _, path in entries if path != (name, key)}
    return Expansion(expanded, origins)


class _TooMany(Exception):
    """The loops would make more than any template may hold."""


@dataclass
class _Expander:
    resolve: Resolve
    nodes: int = field(default=0)

    def entries(self, holder: Any, names: Mapping[str, str], path: Path) -> Iterator[_Entry]:
        """Yield the entries of a mapping, those that its loops make among them."""
        for key, value in holder.items():
            here = (*path, key)
            made = self._loop(value, names, here) if str(key).startswith(LOOP) else None
            if made is None:
                yield _filled(str(key), names), self._value(value, names), here
            else:
                yield from made

    def _loop(self, arguments: Any, names: Mapping[str, str], path: Path) -> list[_Entry] | None:
        """Return what a loop makes; None where only a deployment can tell."""
        if not isinstance(arguments, list) or len(arguments) != 3:
            return None
        identifier, collection, made = arguments
        items = self._items(self._value(collection, names))
        if items is None or not isinstance(identifier, str) or not isinstance(made, dict):
            return None
        try:
            return [
                entry
                for item in items
                for entry in self.entries(made, {**names, identifier: item}, (*path, 2))
            ]
        except _TooMany:
            return None

    def _items(self, collection: Any) -> list[str] | None:
        try:
            resolved = self.resolve(collection)
            items = resolved if isinstance(resolved, list) else [None]
            flat: list[Any] = []
            for item in map(self.resolve, items):
                flat += item if isinstance(item, list) else [item]
        except Undecidable:
            return None
        if any(isinstance(item, Unknown | dict | list) or item is None for item in flat):
            return None
        return [str(item) for item in flat]

    def _value(self, raw: Any, names: Mapping[str, str]) -> Any:
        self.nodes += 1
        if self.nodes > _NODES_MAX:
            raise _TooMany
        if isinstance(raw, dict):
            if intrinsic(raw) == "Ref" and isinstance(raw["Ref"], str) and raw["Ref"] in names:
                return names[raw["Ref"]]
            return {key: value for key, value, _ in self.entries(raw, names, ())}
        if isinstance(raw, list):
            return [self._value(entry, names) for entry in raw]
        return _filled(raw, names) if isinstance(raw, str) else raw


def _filled(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the identifiers of loops replaced, ``&{Name}`` by what ids may hold."""
    for name, value in names.items():
        text = text.replace(f"${{{name}}}", value)
        text = text.replace(f"&{{{name}}}", re.sub(r"[^0-9A-Za-z]", "", value))
    return text
