"""A program: templates that may refer to each other, and who refers to whom in it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from cfn_sustainability.properties import Token, unresolved

if TYPE_CHECKING:
    from cfn_sustainability.template import Template

Place = tuple["Template", str]
"""A resource: its template and its logical id."""
Alias = tuple["Template | None", Token]
"""A token, with the template in which it has this meaning; None when it has it in all."""


class Program:
    """Templates that are judged together: one app, or the files of one call."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self.templates = tuple(templates)
        self._mentions: dict[tuple[str, str], dict[Alias, list[Place]]] = {}
        self._named: dict[str, dict[Alias, list[Place]]] = {}

    def of_type(self, kind: str) -> list[Place]:
        """Return the resources of a type."""
        return self._by_type.get(kind, [])

    def nested_in(self, parent: Template, logical_id: str) -> list[Template]:
        """Return the templates that were read of a nested stack."""
        return [child for child in self.templates if (parent, logical_id) in child.parents]

    def referring(self, kind: str, names: Iterable[Alias], at: str) -> list[Place]:
        """Return the resources of a type whose property ``at`` contains one of the tokens."""
        if (kind, at) not in self._mentions:
            index: dict[Alias, list[Place]] = {}
            for template, logical_id in self.of_type(kind):
                raw = unresolved(template.resources[logical_id].get("Properties"), at)
                for token in template.tokens(raw):
                    for owner in (template, None):
                        index.setdefault((owner, token), []).append((template, logical_id))
            self._mentions[kind, at] = index
        index = self._mentions[kind, at]
        return list(dict.fromkeys(place for name in names for place in index.get(name, ())))

    def meant(self, template: Template, raw: object, types: Collection[str]) -> Iterator[Place]:
        """Yield the resources of these types that a raw value of a template refers to."""
        found = template.tokens(raw)
        own = sorted(name for kind, name in found if kind == "ref" and name in template.resources)
        yield from ((template, name) for name in own if template.type_of(name) in types)
        for token in sorted(found - {("ref", name) for name in own}):
            for kind in types:
                for owner in (template, None):
                    yield from self._by_name(kind).get((owner, token), ())

    def knows(self, template: Template, raw: object) -> bool:
        """Return whether what a raw value of a template refers to was read."""
        for kind, name in template.tokens(raw):
            if kind == "ref":
                bare = name.partition(".")[0]
                if bare in template.resources or template.given(bare) is not None:
                    return True
            elif (kind, name) in self._published:
                return True
        return False

    def _by_name(self, kind: str) -> dict[Alias, list[Place]]:
        if kind not in self._named:
            index: dict[Alias, list[Place]] = {}
            for template, logical_id in self.of_type(kind):
                for name in template.names(logical_id):
                    index.setdefault(name, []).append((template, logical_id))
            self._named[kind] = index
        return self._named[kind]

    @cached_property
    def _by_type(self) -> dict[str, list[Place]]:
        found: dict[str, list[Place]] = {}
        for template in self.templates:
            for logical_id in template.resources:
                found.setdefault(template.type_of(logical_id), []).append((template, logical_id))
        return found

    @cached_property
    def _published(self) -> set[Token]:
        """The exports and outputs of all templates."""
        return {
            (kind, name)
            for template in self.templates
            for outputs in template.outputs.values()
            for output, exported in outputs
            for kind, name in (("output", output), ("export", exported))
            if name is not None
        }


def link(templates: Iterable[Template]) -> None:
    """Make the templates one program, in which resources may refer to each other."""
    program = Program(templates)
    by_file: dict[str, list[Template]] = {}
    for template in program.templates:
        template.program = program
        by_file.setdefault(posixpath.basename(_posix(template.source)), []).append(template)
    for parent in program.templates:
        for nested, location in parent.unread_stacks():
            named = by_file.get(posixpath.basename(location), [])
            child = _nearest(named, _posix(parent.source), location)
            if child is not None and child is not parent:
                child.parents.append((parent, nested))


def _nearest(named: list[Template], source: str, location: str) -> Template | None:
    """Return the template, of those with the right file name, that a location means."""
    if len(named) == 1:
        return named[0]
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), location))
    return next((one for one in named if posixpath.normpath(_posix(one.source)) == wanted), None)


def _posix(path: str) -> str:
    return path.replace("\\", "/")
