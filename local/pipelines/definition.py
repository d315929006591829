"""A pipeline's definition: its steps and their order, and values that a run fills in.

The schema is that of ``PipelineDefinition``, version 2020-12-01, for the step types that the
customization pipeline has. Steps run one after the other; SageMaker runs independent ones at once.
https://aws-sagemaker-mlops.github.io/sagemaker-model-building-pipeline-definition-JSON-schema/
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VERSION = "2020-12-01"
RUNNABLE = ("Training", "Processing", "RegisterModel", "Condition", "Fail")
_REFERENCE = re.compile(r"(Parameters|Execution|Steps)\.(\w[\w-]*)(.*)")
_PART = re.compile(r"\.(\w+)|\['([^']+)'\]|\[(\d+)\]")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")
_BRANCHES = ("IfSteps", "ElseSteps")
_COMPARES: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}


class DefinitionError(ValueError):
    """What is wrong with a definition, or with a value that it names."""


@dataclass(frozen=True)
class Step:
    """A step of a pipeline."""

    name: str
    kind: str
    arguments: Mapping[str, Any]
    cached_s: float
    """Seconds for which an earlier result is used again; 0 where none is."""
    files: Mapping[str, tuple[str, str]]
    """By name of a property file: the output of the step that holds it, and its path there."""
    branch: tuple[str, bool] | None
    """The condition on which it depends, and the outcome that it needs."""
    needs: frozenset[str]
    """The steps that must have ended before it."""


@dataclass(frozen=True)
class Definition:
    """A pipeline that can be run.

    Raises
    ------
    DefinitionError
        In `read`, if it cannot be.
    """

    parameters: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...]
    """In an order in which each follows those that it needs."""

    @classmethod
    def read(cls, body: str) -> Definition:
        """Read a definition in JSON."""
        try:
            given = json.loads(body)
            if given["Version"] != VERSION:
                raise DefinitionError(f"Version must be {VERSION}")
            parameters = {each["Name"]: each for each in given.get("Parameters", ())}
            steps = list(_steps(given["Steps"], None))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DefinitionError(f"Unable to parse pipeline definition. {error!r}") from error
        names = [step.name for step in steps]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DefinitionError(f"Step names must be unique: {', '.join(twice)}")
        for step in steps:
            if unknown := sorted(step.needs - set(names)):
                raise DefinitionError(f"Step {step.name} needs unknown steps: {', '.join(unknown)}")
            for kind, name, _ in _references(step.arguments):
                if kind == "Parameters" and name not in parameters:
                    raise DefinitionError(f"Step {step.name} needs the unknown parameter {name}")
        return cls(parameters, tuple(_ordered(steps)))

    def values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return the value of each parameter in a run.

        Raises
        ------
        DefinitionError
            If one is unknown, missing, or none of the values that it may have.
        """
        if unknown := sorted(given.keys() - self.parameters.keys()):
            raise DefinitionError(
                f"Unknown parameters: {', '.join(unknown)}. Known: {', '.join(self.parameters)}"
            )
        known = {
            name: given.get(name, each.get("DefaultValue"))
            for name, each in self.parameters.items()
        }
        if missing := [name for name, value in known.items() if value is None]:
            raise DefinitionError(f"Parameters {missing} do not have default values: give them")
        return {name: _typed(self.parameters[name], value) for name, value in known.items()}


def _typed(parameter: Mapping[str, Any], value: Any) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    allowed = parameter.get("EnumValues")
    if allowed and value not in allowed:
        raise DefinitionError(f"Parameter {name} must be one of {', '.join(allowed)}, not {value}")
    read: Mapping[str, Callable[[Any], Any]]
    read = {"String": str, "Integer": int, "Float": float, "Boolean": _truth}
    try:
        return read[kind](value)
    except ValueError as error:
        raise DefinitionError(f"Parameter {name} must be of type {kind}, not {value}") from error


def _truth(value: Any) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ValueError(value)
    return str(value).lower() == "true"


def _steps(given: list[Any], branch: tuple[str, bool] | None) -> Iterator[Step]:
    for each in given:
        name, kind, arguments = each["Name"], each["Type"], each["Arguments"]
        if kind not in RUNNABLE:
            raise DefinitionError(
                f"Step {name} is of type {kind}; the embedded AWS runs {', '.join(RUNNABLE)}"
            )
        own = {key: value for key, value in arguments.items() if key not in _BRANCHES}
        cache = each.get("CacheConfig", {})
        named = {ref for kind_, ref, _ in _references(own) if kind_ == "Steps"}
        yield Step(
            name,
            kind,
            own,
            _seconds(cache.get("ExpireAfter", "")) if cache.get("Enabled") else 0,
            {
                file["PropertyFileName"]: (file["OutputName"], file["FilePath"])
                for file in each.get("PropertyFiles", ())
            },
            branch,
            frozenset({*each.get("DependsOn", ()), *named, *([branch[0]] if branch else [])}),
        )
        for key, outcome in zip(_BRANCHES, (True, False), strict=True):
            yield from _steps(arguments.get(key, []), (name, outcome))


def _ordered(steps: list[Step]) -> Iterator[Step]:
    done: set[str] = set()
    left = list(steps)
    while left:
        ready = next((step for step in left if step.needs <= done), None)
        if ready is None:
            names = ", ".join(step.name for step in left)
            raise DefinitionError(f"Cycle detected in pipeline definition: {names}")
        left.remove(ready)
        done.add(ready.name)
        yield ready


def _references(value: Any) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and rest of each reference in a value."""
    if isinstance(value, dict):
        if value.keys() == {"Get"}:
            found = _REFERENCE.fullmatch(str(value["Get"]))
            if found is None:
                raise DefinitionError(f"Unknown reference: {value['Get']}")
            yield found[1], found[2], found[3]
        else:
            for item in value.values():
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise DefinitionError(f"ExpireAfter: {duration!r} is no duration such as P30D or PT1H")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60.0


@dataclass(frozen=True)
class Values:
    """What a run fills in."""

    parameters: Mapping[str, Any]
    execution: Mapping[str, str]
    described: Callable[[str], Mapping[str, Any]]
    """Returns the description of a step's job."""
    read: Callable[[str, str, str], Any]
    """Returns what a property file of a step holds at a path: step, file, path."""

    def fill(self, value: Any) -> Any:
        """Return a value with everything that it refers to.

        Raises
        ------
        DefinitionError
            If something that it names is not there.
        """
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if not isinstance(value, dict):
            return value
        match list(value):
            case ["Get"]:
                ((kind, name, rest),) = _references(value)
                return self._get(kind, name, rest)
            case ["Std:Join"]:
                joined = value["Std:Join"]
                return str(joined["On"]).join(str(self.fill(item)) for item in joined["Values"])
            case ["Std:JsonGet"]:
                ((_, step, rest),) = _references(value["Std:JsonGet"]["PropertyFile"])
                file = rest.removeprefix(".PropertyFiles.")
                return self.read(step, file, value["Std:JsonGet"]["Path"])
        return {key: self.fill(item) for key, item in value.items()}

    def holds(self, condition: Mapping[str, Any]) -> bool:
        """Return whether a condition is true. Raises DefinitionError."""
        kind = condition["Type"]
        if kind == "Not":
            return not self.holds(condition["Expression"])
        if kind == "Or":
            return any(self.holds(each) for each in condition["Conditions"])
        if kind == "In":
            return bool(self.fill(condition["QueryValue"]) in self.fill(condition["Values"]))
        if kind not in _COMPARES:
            raise DefinitionError(f"Unknown condition: {kind}")
        left, right = (self.fill(condition[side]) for side in ("LeftValue", "RightValue"))
        try:
            return _COMPARES[kind](left, right)
        except TypeError as error:
            raise DefinitionError(f"{left!r} and {right!r} do not compare") from error

    def _get(self, kind: str, name: str, rest: str) -> Any:
        if kind != "Steps":
            known = self.parameters if kind == "Parameters" else self.execution
            if name not in known:
                raise DefinitionError(f"{kind}.{name} is not there")
            return known[name]
        return at(self.described(name), rest)


def at(value: Any, path: str) -> Any:
    """Return what stands in a value at a path such as ``.Outputs['train'].S3Uri`` or ``.a[0].b``.

    Raises
    ------
    DefinitionError
        If nothing does.
    """
    try:
        for member, key, index in _PART.findall(path):
            if member:
                value = value[member]
            elif index:
                value = value[int(index)]
            else:  # an item of a list, by its name
                value = next(item for item in value if key in item.values())
    except (KeyError, IndexError, StopIteration, TypeError) as error:
        raise DefinitionError(f"{path.lstrip('.')} is not there") from error
    return value
