"""What CloudFormation values come to before deployment: a value, nothing, or unknown.

A condition that the template leaves open does not make everything behind it unknown. Deciding it
raises ``Fork``; the engine then judges the rule once for each possible outcome.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MARK = "\N{REPLACEMENT CHARACTER}"
"""Stands, in the text of an unknown value, for each stretch that only a deployment knows."""

Choice = tuple[str, str]
"""What a world settles: ``("parameter", name)`` or ``("condition", name)``."""
World = Mapping[Choice, object]

_ALTERNATIVES_MAX = 8
"""Allowed values of a parameter that are each judged; of more, the default stands for all."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Undecidable(Exception):
    """A rule needs a value that the template does not tell."""


class Fork(Exception):
    """A rule needs a choice that the template leaves open."""

    def __init__(self, choice: Choice, outcomes: tuple[object, ...]) -> None:
        self.choice, self.outcomes = choice, outcomes


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only a deployment knows, with the part of its text that is known."""

    text: str = MARK


OTHER = Unknown("any other value")
"""A parameter's value that equals none of those that conditions compare it with."""


def intrinsic(raw: object) -> str | None:
    """Return the name of the function that ``raw`` calls, or None when it is plain data."""
    if isinstance(raw, dict) and len(raw) == 1:
        (name,) = raw
        if name == "Ref" or (isinstance(name, str) and name.startswith("Fn::")):
            return str(name)
    return None


def is_open(mapping: Mapping[str, Any]) -> bool:
    """Return whether a macro or a loop puts entries into a mapping that only a deployment knows."""
    return any(key.startswith(("Fn::Transform", "Fn::ForEach::")) for key in mapping)


def section(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a section of a template, empty when it is absent or no mapping."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def compared_constants(body: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return, for each parameter, the constants that the template's conditions compare it with."""
    found: dict[str, set[str]] = {}
    waiting: list[object] = [section(body, "Conditions")]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            sides = node.get("Fn::Equals")
            if isinstance(sides, list):
                constants = {str(side) for side in sides if isinstance(side, str | int | float)}
                for side in sides:
                    if intrinsic(side) == "Ref" and isinstance(side["Ref"], str):
                        found.setdefault(side["Ref"], set()).update(constants)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


class Scope:
    """A template in one world: what its parameters, mappings and conditions come to there."""

    def __init__(
        self,
        body: Mapping[str, Any],
        world: World,
        *,
        compared: Mapping[str, Iterable[str]],
        region: str | None,
        given: Callable[[str], object] = lambda name: None,
    ) -> None:
        """``given`` tells what a parent stack passes to a parameter, None where it passes none."""
        self._body, self._world, self._compared, self._given = body, world, compared, given
        self._pseudo = {"AWS::NoValue": None} | ({"AWS::Region": region} if region else {})
        self._deciding: set[str] = set()
        self._verdicts: dict[str, bool | None] = {}
        self._functions: dict[str, Callable[[Any], object]] = {
            "Ref": self._ref,
            "Fn::If": self._if,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
        }

    def resolve(self, raw: Any) -> Any:
        """Return what ``raw`` comes to: plain data, None for nothing, or ``Unknown``.

        Only the outermost value is resolved; what a list or mapping holds is left as it stands.
        """
        if type(raw) is not dict or len(raw) != 1:  # nearly every value; asking more takes longer
            return raw
        name = intrinsic(raw)
        if name is None:
            return raw
        function = self._functions.get(name)
        if function is None:
            return Unknown()
        try:
            return function(raw[name])
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            return Unknown()  # the call is malformed, which CloudFormation will say

    def is_default(self, choice: Choice, chosen: object) -> bool:
        """Return whether a world's choice is what a deployment gets that chooses nothing."""
        kind, name = choice
        parameter = section(self._body, "Parameters").get(name)
        if kind != "parameter" or not isinstance(parameter, dict) or "Default" not in parameter:
            return True
        default = str(parameter["Default"])
        if chosen is OTHER:
            return default not in self._outcomes(name, parameter)
        return str(chosen) == default

    def holds(self, condition: object) -> bool:
        """Return whether a condition is met in this world, or raise ``Fork``."""
        choice = ("condition", str(condition))
        if choice in self._world:
            return bool(self._world[choice])
        verdict = self._named_condition(str(condition))
        if verdict is None:
            raise Fork(choice, (True, False))
        return verdict

    def _ref(self, name: str) -> object:
        if name in self._pseudo:
            return self._pseudo[name]
        if ("parameter", name) in self._world:
            return self._world["parameter", name]
        parameter = section(self._body, "Parameters").get(name)
        passed = self._given(name) if isinstance(parameter, dict) else None
        if passed is not None and not isinstance(passed, Unknown):
            return passed
        if self._deciding and (isinstance(parameter, dict) or name.startswith("AWS::")):
            raise Fork(("parameter", name), self._outcomes(name, parameter))
        if not isinstance(parameter, dict) or passed is not None:
            return Unknown()
        kind, allowed = str(parameter.get("Type")), parameter.get("AllowedValues")
        several = isinstance(allowed, list) and 1 < len(allowed) <= _ALTERNATIVES_MAX
        if several and kind in ("String", "Number"):
            raise Fork(("parameter", name), self._outcomes(name, parameter))
        if "Default" not in parameter or kind.startswith("AWS::SSM::"):
            return Unknown()
        default = parameter["Default"]
        return str(default).split(",") if "List" in kind else default

    def _outcomes(self, name: str, parameter: object) -> tuple[object, ...]:
        allowed = parameter.get("AllowedValues") if isinstance(parameter, dict) else None
        if isinstance(allowed, list) and 0 < len(allowed) <= _ALTERNATIVES_MAX:
            return tuple(map(str, allowed))
        return (*sorted(self._compared.get(name, ())), OTHER)

    def _if(self, arguments: Any) -> object:
        condition, met, unmet = arguments
        return self.resolve(met if self.holds(condition) else unmet)

    def _sub(self, arguments: Any) -> object:
        template, variables = (arguments, {}) if isinstance(arguments, str) else arguments

        def value(name: str) -> object:
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return self.resolve(variables[name])
            return Unknown() if "." in name else self._ref(name)

        pieces = _VARIABLE.split(template)
        return _text(value(piece.strip()) if odd % 2 else piece for odd, piece in enumerate(pieces))

    def _join(self, arguments: Any) -> object:
        delimiter, parts = arguments
        parts = self.resolve(parts)
        if isinstance(parts, Unknown):
            return Unknown()
        resolved = [part for part in map(self.resolve, parts) if part is not None]
        return _text(
            piece
            for number, part in enumerate(resolved)
            for piece in ((delimiter, part) if number else (part,))
        )

    def _select(self, arguments: Any) -> object:
        index, options = arguments
        options = self.resolve(options)
        if isinstance(options, str | Unknown):
            return Unknown()
        return self.resolve(options[int(self.resolve(index))])

    def _split(self, arguments: Any) -> object:
        delimiter, text = arguments
        text = self.resolve(text)
        return text.split(delimiter) if isinstance(text, str) else Unknown()

    def _find_in_map(self, arguments: Any) -> object:
        found: Any = section(self._body, "Mappings")
        for key in map(self.resolve, arguments[:3]):
            if isinstance(key, Unknown):
                return Unknown()
            found = found.get(str(key)) if isinstance(found, dict) else None
        if found is None and len(arguments) > 3:
            return self.resolve(arguments[3]["DefaultValue"])
        return Unknown() if found is None or isinstance(found, dict) else found

    def _named_condition(self, name: str) -> bool | None:
        conditions = section(self._body, "Conditions")
        if name in self._deciding or name not in conditions:
            return None
        if name not in self._verdicts:
            self._deciding.add(name)
            try:
                self._verdicts[name] = self._decide(conditions[name])
            finally:
                self._deciding.discard(name)
        return self._verdicts[name]

    def _decide(self, raw: object) -> bool | None:
        if not isinstance(raw, dict) or len(raw) != 1:
            return None
        ((name, arguments),) = raw.items()
        if name == "Condition":
            choice = ("condition", str(arguments))
            return (
                bool(self._world[choice])
                if choice in self._world
                else self._named_condition(str(arguments))
            )
        if name == "Fn::Equals" and isinstance(arguments, list) and len(arguments) == 2:
            return _equal(*map(self.resolve, arguments))
        if name in ("Fn::And", "Fn::Or", "Fn::Not") and isinstance(arguments, list) and arguments:
            verdicts = [self._decide(argument) for argument in arguments]
            if name == "Fn::Not":
                return None if verdicts[0] is None else not verdicts[0]
            decisive: bool = name == "Fn::Or"  # one met condition decides Or, one unmet decides And
            if decisive in verdicts:
                return decisive
            return None if None in verdicts else not decisive
        return None


def _text(pieces: Any) -> str | Unknown:
    text, known = [], True
    for piece in pieces:
        if isinstance(piece, Unknown):
            known = False
            text.append(piece.text if piece is not OTHER else MARK)
        elif isinstance(piece, bool):
            text.append(str(piece).lower())
        elif isinstance(piece, str | int | float):
            text.append(str(piece))
        else:
            return Unknown()
    joined = "".join(text)
    return joined if known else Unknown(joined)


def _equal(left: object, right: object) -> bool | None:
    if OTHER in (left, right):
        return False
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return None
    return str(left) == str(right)
