"""Templates, and what rules see of them: resources, and the resources that these relate to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cfn_sustainability.properties import Properties, Token, tokens, unresolved
from cfn_sustainability.values import MARK, Scope, Undecidable, World, compared_constants, section

TEMPLATE = "Template"
"""The type under which a template itself is judged, as a resource without logical id."""

_REFERRERS_MAX = 200
Alias = tuple["Template | None", Token]
"""A token, with the template in which it has this meaning; None when it has it in all."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One acknowledged rule of this pack."""

    rule: str
    """The rule's name, without the pack's prefixes."""
    reason: str
    construct: str | None = None
    """Path of the construct that it was made on; None when it stands on a resource."""


class Resource(Properties):
    """A resource of a template in one world, with the resources that it relates to."""

    def __init__(self, template: Template, logical_id: str, world: World) -> None:
        self.template, self.logical_id, self._world = template, logical_id, world
        self._declared = template.resources[logical_id]
        self.type: str = self._declared["Type"]
        super().__init__(self._declared.get("Properties"), template.scope(world))

    def exists(self) -> bool:
        """Return whether the resource's own condition is met in this world."""
        condition = self._declared.get("Condition")
        return condition is None or self._scope.holds(condition)

    def others(self, *types: str) -> Iterator[Resource]:
        """Yield the other resources of these types in the same template."""
        for kind in types:
            for logical_id in self.template.of_type(kind):
                other = Resource(self.template, logical_id, self._world)
                if logical_id != self.logical_id and other.exists():
                    yield other

    def referrers(self, *types: str, at: str = "") -> Iterator[Resource]:
        """Yield the resources of these types, in all templates, that refer to this one.

        They refer to it, in the property ``at`` or anywhere, by logical id, by the name that it is
        given, or through outputs, imports and the parameters of nested stacks. Raises
        ``Undecidable`` where they are more than any real template has.
        """
        names = self.template.aliases(self.logical_id) | self._given_names()
        found = [
            (template, logical_id)
            for template in self.template.program
            for kind in types
            for logical_id in template.referring(kind, names, at)
        ]
        if len(found) > _REFERRERS_MAX:
            raise Undecidable
        for template, logical_id in found:
            other = Resource(template, logical_id, self._world)
            if other.exists():
                yield other

    def target(self, path: str, *types: str) -> Resource | None:
        """Return the resource of these types that the property at ``path`` refers to."""
        for logical_id in sorted(self.mentions(path) & self.template.resources.keys()):
            other = Resource(self.template, logical_id, self._world)
            if other.type in types and other.exists():
                return other
        return None

    @property
    def is_shared(self) -> bool:
        """Whether templates that were not read may refer to the resource."""
        names = self.template.aliases(self.logical_id)
        return not self.template.complete and any(kind == "export" for _, (kind, _) in names)

    def _given_names(self) -> set[Alias]:
        key = self.type.rpartition("::")[2] + "Name"
        name = section(self._declared, "Properties").get(key)
        return {(None, ("text", name))} if isinstance(name, str) and name else set()


class Template:
    """One CloudFormation template among those of its program.

    ``source`` is where it was read; ``construct`` the path of its stack; ``constructs`` those of
    its resources by logical id; ``acknowledgements`` those made on constructs; ``complete`` whether
    all templates of its app are read. ``program`` are the templates that may refer to each other,
    ``parent`` the template and the logical id that nest it.
    """

    def __init__(
        self,
        body: Mapping[str, Any],
        *,
        source: str = "",
        region: str | None = None,
        construct: str = "",
        constructs: Mapping[str, str] | None = None,
        acknowledgements: Sequence[Acknowledgement] = (),
        complete: bool = False,
    ) -> None:
        self.body, self.source, self.region, self.complete = body, source, region, complete
        self.construct = construct
        self.constructs = constructs or {}
        self.acknowledgements = acknowledgements
        self.program: tuple[Template, ...] = (self,)
        self.parent: tuple[Template, str] | None = None
        self.resources: dict[str, dict[str, Any]] = {
            "": {"Type": TEMPLATE, "Properties": {"Region": {"Ref": "AWS::Region"}}}
        }
        for logical_id, resource in section(body, "Resources").items():
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str):
                self.resources[logical_id] = _without_sam(body, resource)
        self._scopes: dict[frozenset[Any], Scope] = {}
        self._aliases: dict[str, set[Alias]] = {}
        self._mentions: dict[tuple[str, str], dict[Token, list[str]]] = {}

    def scope(self, world: World) -> Scope:
        """Return the scope that resolves this template's values in ``world``."""
        key = frozenset(world.items())
        if key not in self._scopes:
            self._scopes[key] = Scope(self.body, world, compared=self._compared, region=self.region)
        return self._scopes[key]

    def of_type(self, kind: str) -> list[str]:
        """Return the logical ids of the resources of a type."""
        return self._by_type.get(kind, [])

    def aliases(self, logical_id: str) -> set[Alias]:
        """Return the tokens by which any template of the program refers to a resource."""
        if logical_id not in self._aliases:
            found: set[Alias] = set()
            self._follow(logical_id, found)
            self._aliases[logical_id] = found
        return self._aliases[logical_id]

    def referring(self, kind: str, names: Iterable[Alias], at: str) -> list[str]:
        """Return the resources of a type whose property ``at`` contains one of the tokens."""
        if (kind, at) not in self._mentions:
            index: dict[Token, list[str]] = {}
            for logical_id in self.of_type(kind):
                for token in tokens(unresolved(self.resources[logical_id].get("Properties"), at)):
                    index.setdefault(token, []).append(logical_id)
            self._mentions[kind, at] = index
        index = self._mentions[kind, at]
        meant = [token for owner, token in names if owner is None or owner is self]
        return list(dict.fromkeys(found for token in meant for found in index.get(token, ())))

    @cached_property
    def _compared(self) -> dict[str, set[str]]:
        return compared_constants(self.body)

    @cached_property
    def _by_type(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for logical_id, resource in self.resources.items():
            found.setdefault(resource["Type"], []).append(logical_id)
        return found

    @cached_property
    def _outputs(self) -> dict[str, list[tuple[str, object]]]:
        """Return, for each logical id, the outputs that mention it with their export names."""
        found: dict[str, list[tuple[str, object]]] = {}
        for name, output in section(self.body, "Outputs").items():
            if isinstance(output, dict):
                export = section(output, "Export").get("Name")
                exported = self.scope({}).resolve(export)
                for kind, mentioned in tokens(output.get("Value")):
                    if kind == "ref":
                        found.setdefault(mentioned, []).append((str(name), exported))
        return found

    @cached_property
    def _arguments(self) -> dict[str, list[tuple[Template, str]]]:
        """Return, for each logical id, the parameters of nested stacks that it is passed to."""
        found: dict[str, list[tuple[Template, str]]] = {}
        for child in self.program:
            if child.parent and child.parent[0] is self:
                nested = section(self.resources[child.parent[1]], "Properties")
                for name, value in section(nested, "Parameters").items():
                    for kind, mentioned in tokens(value):
                        if kind == "ref":
                            found.setdefault(mentioned, []).append((child, str(name)))
        return found

    def _follow(self, name: str, found: set[Alias]) -> None:
        if (self, ("ref", name)) in found:
            return
        found.add((self, ("ref", name)))
        for output, exported in self._outputs.get(name, ()):
            found.add((None, ("output", output)))
            if exported is not None:
                found.add((None, ("export", exported if isinstance(exported, str) else MARK)))
            if self.parent:
                parent, nested = self.parent
                parent._follow(f"{nested}.Outputs.{output}", found)
        for child, parameter in self._arguments.get(name, ()):
            child._follow(parameter, found)


def link(templates: Iterable[Template]) -> None:
    """Make the templates one program, in which resources may refer to each other."""
    program = tuple(templates)
    for template in program:
        template.program = program


def _without_sam(body: Mapping[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    """Return a function of the Serverless Application Model as the Lambda function it becomes."""
    if resource["Type"] != "AWS::Serverless::Function":
        return resource
    shared = section(section(body, "Globals"), "Function")
    properties = {**shared, **section(resource, "Properties")}
    return {**resource, "Type": "AWS::Lambda::Function", "Properties": properties}
