"""Properties as rules read them: typed, resolved in one world, never guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, overload

from cfn_sustainability.values import MARK, Fork, Scope, Undecidable, Unknown, intrinsic, is_open

Path = tuple[str | int, ...]
Token = tuple[str, str]
"""What a value refers to: ``("ref", id)``, ``("export", name)``, ``("output", name)``, a word."""

_SUBSTITUTED = re.compile(r"\$\{([^!}][^}]*)\}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one property, and the value that would pass."""

    path: Path
    found: str
    wants: str
    certain: bool = True
    """Whether AWS surely takes what is wanted; if not, the finding is a warning."""

    def __str__(self) -> str:
        place = ".".join(map(str, self.path))
        return f"{place} {self.found}; {self.wants} would pass".lstrip()


class Properties:
    """A mapping of properties in one world. Paths are dotted: ``LoggingConfig.LogGroup``.

    Every accessor raises ``Undecidable`` for a value that is unknown or of another type than the
    one asked for: an invalid template is CloudFormation's to report.
    """

    def __init__(self, raw: Any, scope: Scope, path: Path = ()) -> None:
        self._raw, self._scope, self.path = raw, scope, path

    def at(self, path: str) -> Any:
        """Return the value at ``path``: plain data, None when absent, or ``Unknown``."""
        value = self._scope.resolve(self._raw)
        for part in _parts(path):
            if value is None:
                return None
            if not isinstance(value, dict):
                raise Undecidable
            if part not in value and is_open(value):
                raise Undecidable
            value = self._scope.resolve(value.get(part))
        return value

    def has(self, path: str) -> bool:
        """Return whether the property is set, be it to an unknown value."""
        return self.at(path) is not None

    def text(self, path: str, default: str = "") -> str:
        """Return a string; numbers count, as CloudFormation accepts them for strings."""
        value = self.at(path)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Undecidable
        return str(value)

    def fragment(self, path: str) -> str:
        """Return a string whose unknown stretches are replaced by ``MARK``."""
        value = self.at(path)
        return value.text if isinstance(value, Unknown) else self.text(path)

    @overload
    def number(self, path: str) -> float | None: ...
    @overload
    def number(self, path: str, default: float) -> float: ...
    def number(self, path: str, default: float | None = None) -> float | None:
        """Return a number; its text counts, as CloudFormation accepts it."""
        value = self.at(path)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Undecidable
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise Undecidable from None

    def flag(self, path: str, default: bool = False) -> bool:
        """Return a boolean; its text counts, as CloudFormation accepts it."""
        value = self.at(path)
        if value is None:
            return default
        verdict = {"true": True, "false": False}.get(str(value).lower())
        if verdict is None:
            raise Undecidable
        return verdict

    def section(self, path: str) -> Properties:
        """Return the mapping at ``path``, empty when it is absent."""
        return Properties(self.at(path), self._scope, self.path + _parts(path))

    def each(self, path: str) -> list[Properties]:
        """Return the entries of a list; empty when it is absent."""
        value = self.at(path)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Undecidable
        parts = self.path + _parts(path)
        entries = [Properties(raw, self._scope, (*parts, at)) for at, raw in enumerate(value)]
        return [entry for entry in entries if entry.has("")]

    def texts(self, path: str) -> list[str]:
        """Return a list of strings; one string counts as a list of one."""
        if isinstance(self.at(path), str):
            return [self.text(path)]
        return [entry.text("") for entry in self.each(path)]

    def entries(self, path: str) -> dict[str, Properties]:
        """Return the values of a mapping by key; empty when it is absent."""
        value = self.at(path)
        if value is None:
            return {}
        if not isinstance(value, dict) or is_open(value):
            raise Undecidable
        parts = self.path + _parts(path)
        return {key: Properties(raw, self._scope, (*parts, key)) for key, raw in value.items()}

    def plain(self, path: str) -> Any:
        """Return the value at ``path`` with everything in it resolved."""
        return self._plain(self.at(path))

    def mentions(self, path: str) -> set[str]:
        """Return the logical ids and parameters that the value at ``path`` refers to."""
        return {name for kind, name in tokens(unresolved(self._raw, path)) if kind == "ref"}

    def words(self, path: str) -> set[str]:
        """Return the constants within the value at ``path``, split at slashes and colons."""
        return {name for kind, name in tokens(unresolved(self._raw, path)) if kind == "text"}

    def fault(
        self, path: str, wants: str, *, found: str | None = None, certain: bool = True
    ) -> Fault:
        """Return the fault that the property at ``path`` is not what ``wants`` says."""
        return Fault(self.path + _parts(path), found or self._describe(path), wants, certain)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._plain(self._scope.resolve(raw)) for key, raw in value.items()}
        if isinstance(value, list):
            return [self._plain(self._scope.resolve(raw)) for raw in value]
        return value

    def _describe(self, path: str) -> str:
        try:
            value = self.plain(path)
        except Fork:  # only the wording depends on the choice
            value = Unknown()
        if value is None:
            return "is absent"
        text = json.dumps(value, default=lambda unknown: getattr(unknown, "text", MARK))
        return f"is {text if len(text) <= 80 else text[:77] + '...'}"


def unresolved(raw: object, path: str) -> object:
    """Return the raw value at a path whose steps are plain mappings."""
    for part in _parts(path):
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw


def tokens(raw: object, resolve: Callable[[Any], object] = lambda value: value) -> set[Token]:
    """Return what a raw value refers to: resources, parameters, outputs, exports, and words.

    ``resolve`` tells the name of an import that a function puts together.
    """
    found: set[Token] = set()
    waiting = [raw]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, str):
            found.update(("text", word) for word in re.split(r"[/:]", node) if word)
        elif isinstance(node, dict):
            call = _call(node, resolve)
            found |= call
            if not call or "Fn::Sub" in node:
                waiting.extend(node.values())
    return found


def _call(node: dict[str, Any], resolve: Callable[[Any], object]) -> set[Token]:
    """Return what a function call refers to by its name alone."""
    name = intrinsic(node)
    argument = node[name] if name else None
    if name == "Ref" and isinstance(argument, str):
        return {("ref", argument)}
    if name == "Fn::GetAtt":
        parts = argument if isinstance(argument, list) else [argument]
        path = ".".join(part for part in parts if isinstance(part, str))
        return {("ref", path.partition(".")[0]), ("ref", path)}
    if name == "Fn::ImportValue":
        imported = resolve(argument)
        text = imported.text if isinstance(imported, Unknown) else imported
        return {("export", text)} if isinstance(text, str) else set()
    if name == "Fn::GetStackOutput" and isinstance(argument, dict):
        return {("output", str(argument.get("OutputName")))}
    if name == "Fn::Sub":
        text = argument[0] if isinstance(argument, list) and argument else argument
        variables = _SUBSTITUTED.findall(text) if isinstance(text, str) else []
        return {("ref", part) for name in variables for part in (name, name.partition(".")[0])}
    return set()


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()
