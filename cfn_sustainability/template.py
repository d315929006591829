"""Templates, and what rules see of them: resources, and the resources that these relate to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from cfn_sustainability.expansion import LOOP, expand, unknown_macros
from cfn_sustainability.program import Alias, Place, Program
from cfn_sustainability.properties import Path, Properties, Token, tokens, unresolved
from cfn_sustainability.serverless import expand_sam, uses_sam
from cfn_sustainability.values import (
    Choice,
    Fork,
    Scope,
    Undecidable,
    Unknown,
    World,
    compared_constants,
    intrinsic,
    section,
)

T = TypeVar("T")

TEMPLATE = "Template"
"""The type under which a template itself is judged, as a resource without logical id."""

NESTED = {"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}
"""Resources that are stacks of their own, with the property that says where the template lies."""

_REFERRERS_MAX = 200
_SETTLED_MAX = 16
"""Choices that a single value may depend on; beyond, it is unknown."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One acknowledged rule of this pack."""

    rule: str
    """The rule's name, without the pack's prefixes."""
    reason: str
    construct: str | None = None
    """Path of the construct that it was made on; None when it stands on a resource."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in the source of a CDK app, line and column from 1."""

    file: str
    line: int
    column: int


class Resource(Properties):
    """A resource of a template in one world, with the resources that it relates to."""

    def __init__(self, template: Template, logical_id: str, world: World) -> None:
        self.template, self.logical_id, self._world = template, logical_id, world
        self._declared = template.resources[logical_id]
        self.type: str = self._declared["Type"]
        super().__init__(self._declared.get("Properties"), template.scope(world))

    @property
    def exists(self) -> bool:
        """Whether the resource's own condition is met in this world."""
        condition = self._declared.get("Condition")
        return condition is None or self._scope.holds(condition)

    def others(self, *types: str) -> Iterator[Resource]:
        """Yield the other resources of these types in the same template."""
        for kind in types:
            for logical_id in self.template.of_type(kind):
                other = self.template.resource(logical_id, self._world)
                if logical_id != self.logical_id and other.exists:
                    yield other

    def referrers(self, *types: str, at: str = "") -> Iterator[Resource]:
        """Yield the resources of these types, in all templates, that refer to this one.

        They refer to it, in the property ``at`` or anywhere, by logical id, by the name that it is
        given, or through outputs, imports and the parameters of nested stacks. Raises
        ``Undecidable`` where they are more than any real template has.
        """
        program = self.template.program
        there = [kind for kind in types if program.of_type(kind)]
        names = self.template.names(self.logical_id) if there else ()
        found = [place for kind in there for place in program.referring(kind, names, at)]
        if len(found) > _REFERRERS_MAX:
            raise Undecidable
        for template, logical_id in found:
            other = template.resource(logical_id, self._world)
            if other.exists:
                yield other

    def is_alone(self, *types: str, at: str = "") -> bool:
        """Return whether no resource of these types refers to this one.

        Raises
        ------
        Undecidable
            If none does that was read, but others may.
        """
        if any(self.referrers(*types, at=at)):
            return False
        if self.is_shared:
            raise Undecidable
        return True

    def target(self, path: str, *types: str) -> Resource | None:
        """Return the resource of these types that the property at ``path`` refers to."""
        for template, logical_id in self.template.program.meant(
            self.template, self._at(path), types
        ):
            other = template.resource(logical_id, self._world)
            if other.exists:
                return other
        return None

    def is_elsewhere(self, path: str) -> bool:
        """Return whether a property refers to something that stands in no template that was read.

        It may stand in this account by name, in another stack, or in what a parameter is given.
        """
        return not self.template.program.knows(self.template, self._at(path))

    @property
    def is_shared(self) -> bool:
        """Whether templates that were not read may refer to the resource."""
        return not self.template.complete and self.template.leaves(self.logical_id)

    def _at(self, path: str) -> object:
        return unresolved(self._raw, path)


class Template:
    """One CloudFormation template among those of its program.

    ``source`` is where it was read; ``construct`` the path of its stack; ``constructs`` those of
    its resources by logical id; ``lines`` tells where the app makes a construct, by its path;
    ``acknowledgements`` those made on constructs; ``complete`` whether
    all templates of its app are read. ``program`` holds the templates that may refer to each other,
    ``parents`` the templates that nest it, with the logical ids. ``unseen`` says what of the
    template only CloudFormation can expand, by the path where it stands.
    """

    def __init__(
        self,
        body: Mapping[str, Any],
        *,
        source: str = "",
        region: str | None = None,
        construct: str = "",
        constructs: Mapping[str, str] | None = None,
        lines: Mapping[str, SourceLine] | None = None,
        acknowledgements: Sequence[Acknowledgement] = (),
        complete: bool = False,
    ) -> None:
        self.source, self.region, self.complete = source, region, complete
        self.construct = construct
        self.constructs = constructs or {}
        self._lines = lines or {}
        self.acknowledgements = acknowledgements
        self.program = Program((self,))
        self.parents: list[Place] = []
        self._scopes: dict[frozenset[Any], Scope] = {}
        self._plain_scope: Scope | None = None
        self._seen: dict[str, Resource] = {}
        self._aliases: dict[str, set[Alias]] = {}
        self.body = body
        expansion = expand(body, self.settled)
        self._scopes.clear()
        self._plain_scope = None
        vars(self).pop("_compared", None)
        self.body, self._origins = expansion.body, dict(expansion.origins)
        self.unseen: dict[Path, str] = {}
        if macros := unknown_macros(body):
            self.unseen[("Transform",)] = f"CloudFormation alone runs {' and '.join(macros)}"
        if uses_sam(self.body):
            self._expand_sam()
        self.resources: dict[str, dict[str, Any]] = {
            "": {"Type": TEMPLATE, "Properties": {"Region": {"Ref": "AWS::Region"}}}
        }
        for logical_id, resource in section(self.body, "Resources").items():
            if isinstance(resource, dict) and isinstance(resource.get("Type"), str):
                self.resources[logical_id] = _included(resource)
            else:
                self.unseen[self.origin(logical_id)] = _why_unseen(logical_id, resource)

    def _expand_sam(self) -> None:
        serverless = expand_sam(self.body)
        written = section(self.body, "Resources")
        self.body = {**self.body, "Resources": serverless.resources}
        for logical_id in serverless.resources:
            if source := serverless.sources.get(logical_id):
                self._origins[logical_id] = self.origin(source)
            elif logical_id not in written:
                self._origins[logical_id] = ("Resources",)
        if serverless.unseen:
            self.unseen[("Resources",)] = serverless.unseen

    def origin(self, logical_id: str) -> Path:
        """Return where a resource is written, from the root of the template as it was read."""
        return self._origins.get(logical_id, ("Resources", logical_id))

    def line_of(self, construct: str | None) -> SourceLine | None:
        """Return where the app makes a construct, or what it stands in; None if not known."""
        parts = construct.split("/") if construct else []
        paths = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self._lines[path] for path in paths if path in self._lines), None)

    def settled(self, raw: object) -> object:
        """Return what a value comes to in a deployment that chooses nothing."""
        try:
            return self.by_default(lambda world: self.scope(world).resolve(raw))
        except Undecidable:
            return Unknown()

    def by_default(self, ask: Callable[[World], T]) -> T:
        """Return what ``ask`` says of the world of a deployment that chooses nothing.

        Raises
        ------
        Undecidable
            If a choice without default decides it, or ``ask`` raises it.
        """
        world: dict[Choice, object] = {}
        while len(world) < _SETTLED_MAX:
            try:
                return ask(world)
            except Fork as fork:
                defaults = [
                    chosen
                    for chosen in fork.outcomes
                    if self.scope({}).is_default(fork.choice, chosen)
                ]
                if len(defaults) != 1:
                    break
                world = {**world, fork.choice: defaults[0]}
            except RecursionError:
                break
        raise Undecidable

    def scope(self, world: World) -> Scope:
        """Return the scope that resolves this template's values in ``world``."""
        if not world and self._plain_scope:  # nearly every call asks for it
            return self._plain_scope
        key = frozenset(world.items())
        if key not in self._scopes:
            self._scopes[key] = Scope(
                self.body,
                world,
                compared=self._compared,
                region=self.region,
                given=self.given,
            )
        if not world:
            self._plain_scope = self._scopes[key]
        return self._scopes[key]

    def resource(self, logical_id: str, world: World) -> Resource:
        """Return a resource in a world; in the one without choices always the same object."""
        if world:
            return Resource(self, logical_id, world)
        if logical_id not in self._seen:
            self._seen[logical_id] = Resource(self, logical_id, world)
        return self._seen[logical_id]

    def type_of(self, logical_id: str) -> str:
        """Return the type of a resource."""
        kind: str = self.resources[logical_id]["Type"]
        return kind

    def of_type(self, kind: str) -> list[str]:
        """Return the logical ids of the resources of a type."""
        return self._by_type.get(kind, [])

    def names(self, logical_id: str) -> set[Alias]:
        """Return the tokens by which any template of the program refers to a resource."""
        if logical_id not in self._aliases:
            found: set[Alias] = set(self._given_names(logical_id))
            self._follow(logical_id, found)
            self._aliases[logical_id] = found
        return self._aliases[logical_id]

    def leaves(self, logical_id: str) -> bool:
        """Return whether a template that was not read may get hold of a resource."""
        return any(kind == "unread" for _, (kind, _) in self.names(logical_id))

    def tokens(self, raw: object) -> set[Token]:
        """Return what a raw value of this template refers to."""
        return tokens(raw, self.settled)

    def given(self, parameter: str) -> object:
        """Return what all parents pass to a parameter; None where none passes anything."""
        passed = [
            parent.settled(values[parameter])
            for parent, nested in self.parents
            if parameter in (values := parent.passed_to(nested))
        ]
        first, *others = passed or [None]
        return first if all(other == first for other in others) else Unknown()

    def passed_to(self, nested: str) -> dict[str, Any]:
        """Return the parameters that a nested stack of this template is given."""
        return section(section(self.resources[nested], "Properties"), "Parameters")

    def _given_names(self, logical_id: str) -> Iterator[Alias]:
        """Yield the name that a resource is given: the text, or the parameter that holds it."""
        resource = self.resources[logical_id]
        kind = resource["Type"].rpartition("::")[2]
        for key in (f"{kind}Name", f"{kind}Identifier"):
            name = section(resource, "Properties").get(key)
            if isinstance(name, dict) and intrinsic(name) == "Ref":
                yield self, ("ref", str(name["Ref"]))
            elif name is not None and isinstance(text := self.settled(name), str) and text:
                yield None, ("text", text)

    def unread_stacks(self) -> Iterator[tuple[str, str]]:
        """Yield the nested stacks whose parent is not known yet, and where their templates lie."""
        for kind, key in NESTED.items():
            for logical_id in self.of_type(kind):
                if self.program.nested_in(self, logical_id):
                    continue
                resource = self.resources[logical_id]
                asset = section(resource, "Metadata").get("aws:asset:path")
                location = self.settled(asset or section(resource, "Properties").get(key))
                text = location.text if isinstance(location, Unknown) else location
                if isinstance(text, str) and text:
                    yield logical_id, text.partition("?")[0]

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
    def outputs(self) -> dict[str, list[tuple[str, str | None]]]:
        """Return, for each logical id, the outputs that mention it with their export names."""
        found: dict[str, list[tuple[str, str | None]]] = {}
        for name, output in section(self.body, "Outputs").items():
            if isinstance(output, dict):
                export = self.settled(section(output, "Export").get("Name"))
                text = export.text if isinstance(export, Unknown) else export
                for kind, mentioned in self.tokens(output.get("Value")):
                    if kind == "ref":
                        exported = text if isinstance(text, str) else None
                        found.setdefault(mentioned, []).append((str(name), exported))
        return found

    @cached_property
    def _arguments(self) -> dict[str, list[tuple[Template | None, str]]]:
        """Return, for each logical id, the parameters of nested stacks that it is passed to."""
        found: dict[str, list[tuple[Template | None, str]]] = {}
        for nested in (name for kind in NESTED for name in self.of_type(kind)):
            children = self.program.nested_in(self, nested)
            for name, value in self.passed_to(nested).items():
                for kind, mentioned in self.tokens(value):
                    if kind == "ref":
                        found.setdefault(mentioned, []).extend(
                            (child, str(name)) for child in children or (None,)
                        )
        return found

    def _follow(self, name: str, found: set[Alias]) -> None:
        if (self, ("ref", name)) in found:
            return
        found.add((self, ("ref", name)))
        for output, exported in self.outputs.get(name, ()):
            found.add((None, ("output", output)))
            if exported is not None:
                found.add((None, ("export", exported)))
            if exported is not None or not self.parents:
                found.add((self, ("unread", name)))
            for parent, nested in self.parents:
                parent._follow(f"{nested}.Outputs.{output}", found)
        for child, parameter in self._arguments.get(name, ()):
            if child is None:
                found.add((self, ("unread", name)))
            else:
                child._follow(parameter, found)


def _included(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource whose properties are open where a macro adds to the resource."""
    if "Fn::Transform" not in resource:
        return resource
    macro = {"Fn::Transform": resource["Fn::Transform"]}
    return {**resource, "Properties": {**section(resource, "Properties"), **macro}}


def _why_unseen(logical_id: str, resource: object) -> str:
    if logical_id.startswith(LOOP):
        return f"the values of the loop {logical_id} are known only to a deployment"
    if logical_id == "Fn::Transform" or (
        isinstance(resource, dict) and "Fn::Transform" in resource
    ):
        return "a macro adds resources, which CloudFormation alone runs"
    return f"{logical_id} has no Type"
