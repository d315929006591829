"""Reading templates, JSON or YAML with short-form functions, from whoever wrote them.

Nothing in a template is executed or expanded: an alias shares what it names. A document whose
aliases would expand beyond ``_NODES_MAX`` values is refused, as is one nested beyond
``_DEPTH_MAX`` levels.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

BYTES_MAX = 8 * 2**20  # CloudFormation itself takes 1 MB
_RESOURCES_MAX = 10_000
_NODES_MAX = 500_000
_DEPTH_MAX = 100
_TOO_DEEP = f"nested deeper than {_DEPTH_MAX} levels"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')

Path = tuple[str | int, ...]
Position = tuple[int, int]
"""Line and column, both from 1."""


class TemplateError(Exception):
    """A template that cannot be read. The message names the place."""

    def __init__(self, source: str, position: Position, problem: str) -> None:
        super().__init__(f"{source}:{position[0]}:{position[1]}: {problem}")
        self.source, self.position, self.problem = source, position, problem


class NotATemplateError(TemplateError):
    """A document that can be read, but is no CloudFormation template."""


@dataclass(frozen=True)
class Document:
    """A template as it was read, and where its parts stand."""

    source: str
    body: dict[str, Any]
    text: str
    marks: dict[tuple[int, str | int], yaml.Mark] | None
    """Of YAML: where each key or entry stands, by the identity of what holds it."""
    remarks: tuple[tuple[Position, str], ...] = ()
    """What CloudFormation takes, though its author can hardly have meant it."""
    root: Path = ()
    """Where the template stands in the document: the answer of an API holds it in a field."""

    def positions(self, paths: Collection[Path]) -> dict[Path, Position]:
        """Return where each path stands, or the deepest part of it that stands anywhere."""
        if self.marks is None:
            whole = {path: (*self.root, *path) for path in paths}
            wanted = {
                path[:length] for path in whole.values() for length in range(1, len(path) + 1)
            }
            marked = _json_places(self.text, wanted)
            return {path: _deepest(whole[path], marked) for path in paths}
        return {path: self._mark(path, self.marks) for path in paths}

    def _mark(self, path: Path, marks: dict[tuple[int, str | int], yaml.Mark]) -> Position:
        node: Any = self.body
        position = (1, 1)
        for part in path:
            if mark := marks.get((id(node), part)):
                position = _position(mark)
            if isinstance(node, dict):
                node = node.get(part)
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                node = node[part]
            else:
                break
        return position


def _deepest(path: Path, marked: dict[Path, Position]) -> Position:
    known = (marked[path[:length]] for length in range(len(path), 0, -1) if path[:length] in marked)
    return next(known, (1, 1))


def read_file(path: pathlib.Path) -> Document:
    """Read one template from a file; see ``read``."""
    try:
        with path.open("rb") as file:
            return read(str(path), file.read(BYTES_MAX + 1))
    except OSError as error:
        raise TemplateError(str(path), (1, 1), error.strerror or str(error)) from None


def read_mapping(path: pathlib.Path) -> Document:
    """Read a YAML file that holds a mapping, such as settings; raise ``TemplateError`` if not."""
    try:
        document = _read_yaml(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(str(path), (1, 1), str(error)) from None
    if not isinstance(document.body, dict):
        raise TemplateError(str(path), (1, 1), "not a mapping of keys to values")
    return document


def read(source: str, content: bytes) -> Document:
    """Read one template.

    Raises
    ------
    TemplateError
        If it is not a template: not UTF-8, not JSON or YAML, without resources, or hostile.
    """
    if len(content) > BYTES_MAX:
        raise TemplateError(
            source, (1, 1), f"larger than {BYTES_MAX >> 20} MiB; CloudFormation takes 1 MB"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise TemplateError(source, (line, column), "not UTF-8") from None
    document = _read_json(source, text) if text.lstrip()[:1] == "{" else None
    document = _template_of_answer(document or _read_yaml(source, text))
    body: Any = document.body
    if not isinstance(body, dict) or not isinstance(body.get("Resources"), dict):
        problem = "not a CloudFormation template: no mapping named Resources"
        raise NotATemplateError(source, (1, 1), problem)
    if len(body["Resources"]) > _RESOURCES_MAX:
        problem = f"more than {_RESOURCES_MAX:,} resources; CloudFormation takes 500"
        raise TemplateError(source, (1, 1), problem)
    return document


def _template_of_answer(document: Document) -> Document:
    """Return the template in what ``aws cloudformation get-template`` prints."""
    if not isinstance(document.body, dict) or "Resources" in document.body:
        return document
    body = document.body.get("TemplateBody")
    if isinstance(body, str):
        return read(document.source, body.encode())
    return replace(document, body=body, root=("TemplateBody",)) if body else document


def _read_json(source: str, text: str) -> Document | None:
    """Return the JSON document, or None where it may be YAML in flow style."""
    twice = False

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        found = dict(pairs)
        twice = twice or len(found) < len(pairs)
        return found

    try:
        body = json.loads(text, object_pairs_hook=mapping)
    except json.JSONDecodeError as error:
        if not source.endswith((".json", ".template")):
            return None
        raise TemplateError(source, (error.lineno, error.colno), f"not JSON: {error.msg}") from None
    except RecursionError:
        raise TemplateError(source, (1, 1), _TOO_DEEP) from None
    except ValueError:
        raise TemplateError(source, (1, 1), "a number of thousands of digits") from None
    level = [body]
    for _ in range(_DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    if level:
        raise TemplateError(source, (1, 1), _TOO_DEEP)
    return Document(source, body, text, None, tuple(_json_twice(text)) if twice else ())


def _read_yaml(source: str, text: str) -> Document:
    builder = _Builder(source)
    try:
        body: Any = builder.build(iter(_LOADER(text).get_event, None))
        return Document(source, body, text, builder.marks, tuple(builder.remarks))
    except yaml.reader.ReaderError as error:
        position = text.count("\n", 0, error.position) + 1, 1
        raise TemplateError(source, position, f"not YAML: {error.reason}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = _position(mark) if mark else (1, 1)
        raise TemplateError(
            source, position, f"not YAML: {error.problem or error.context}"
        ) from None


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    collection: Any
    anchor: str | None = None
    nodes_before: int = 0
    key: str | None = None
    """The key that waits for its value."""


@dataclass
class _Builder:
    """Builds plain data from parser events, without recursion."""

    source: str
    marks: dict[tuple[int, str | int], yaml.Mark] = field(default_factory=dict)
    remarks: list[tuple[Position, str]] = field(default_factory=list)
    _anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    _merging: set[int] = field(default_factory=set)
    """Mappings with a merge key, by identity."""
    _nodes: int = 0

    def build(self, events: Iterator[Any]) -> object:
        documents: list[Any] = []
        open_ = [_Open(documents)]
        for event in events:
            kind = type(event)
            if kind is ScalarEvent:
                self._nodes += 1  # the size of the text limits them, as long as no alias repeats it
                value = _scalar(event)
                if event.anchor:
                    self._anchors[event.anchor] = (value, 1)
                self._add(open_[-1], value, event)
            elif kind in (MappingStartEvent, SequenceStartEvent):
                collection: Any = {} if kind is MappingStartEvent else []
                self._add(open_[-1], _called(event.tag, collection), event)
                if len(open_) > _DEPTH_MAX:
                    raise self._error(event, _TOO_DEEP)
                open_.append(_Open(collection, event.anchor, self._nodes))
                self._count(event, 1)
            elif kind in (MappingEndEvent, SequenceEndEvent):
                closed = open_.pop()
                if id(closed.collection) in self._merging:
                    self._merge(closed.collection, event)
                if closed.anchor:
                    size = self._nodes - closed.nodes_before
                    self._anchors[closed.anchor] = (closed.collection, size)
            elif kind is AliasEvent:
                if event.anchor not in self._anchors:
                    raise self._error(event, f"the alias *{event.anchor} has no complete anchor")
                shared, size = self._anchors[event.anchor]
                self._count(event, size)
                self._add(open_[-1], shared, event)
            elif kind is DocumentStartEvent and documents:
                raise self._error(event, "more than one document")
        return documents[0] if documents else None

    def _add(self, parent: _Open, value: Any, event: Any) -> None:
        collection = parent.collection
        place: str | int
        if isinstance(collection, list):
            place = len(collection)
            collection.append(value)
        elif parent.key is not None:
            collection[parent.key], parent.key = value, None
            return
        else:
            if isinstance(value, dict | list):
                raise self._error(event, "a key that is no text")
            place = parent.key = str(value)
            if place == "<<" and event.implicit[0]:
                self._merging.add(id(collection))
            elif place in collection:
                self.remarks.append((_position(event.start_mark), _twice(place)))
            collection[place] = None
        self.marks[id(collection), place] = event.start_mark

    def _merge(self, collection: dict[str, Any], event: Any) -> None:
        """Put the entries of the mappings that a merge key names below those that stand here."""
        merged = collection.pop("<<")
        for source in merged if isinstance(merged, list) else [merged]:
            if not isinstance(source, dict):
                raise self._error(event, "a merge key << whose value is no mapping")
            for key, value in source.items():
                if key not in collection:
                    collection[key] = value
                    if mark := self.marks.get((id(source), key)):
                        self.marks[id(collection), key] = mark

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _NODES_MAX:
            raise self._error(event, f"more than {_NODES_MAX:,} values, aliases expanded")

    def _error(self, event: Any, problem: str) -> TemplateError:
        return TemplateError(self.source, _position(event.start_mark), problem)


def _position(mark: yaml.Mark) -> Position:
    return mark.line + 1, mark.column + 1


def _twice(key: str) -> str:
    return f"the key {key} stands twice; CloudFormation takes the last"


def _called(tag: str | None, argument: Any) -> Any:
    """Return the call of the function that a short-form tag such as ``!Sub`` stands for."""
    if not tag or not tag.startswith("!") or tag == "!":
        return argument
    return {tag[1:] if tag in ("!Ref", "!Condition") else f"Fn::{tag[1:]}": argument}


def _scalar(event: ScalarEvent) -> Any:
    value = _plain(event.value) if event.implicit[0] else event.value
    if event.tag is None:
        return value
    return _called(event.tag, value.split(".", 1) if event.tag == "!GetAtt" else value)


@lru_cache(maxsize=4096)
def _plain(text: str) -> Any:
    """Return what an unquoted scalar means; a time stays text, as in CloudFormation."""
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag.rpartition(":")[2] not in ("null", "bool", "int", "float"):
        return text
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except ValueError:
        return text


def _json_places(text: str, wanted: Collection[Path]) -> dict[Path, Position]:
    """Return where the key or entry at each wanted path of a valid JSON document begins."""
    found: dict[Path, Position] = {}
    line, line_start, seen = 1, 0, 0
    for path, start in _json_walk(text):
        if tuple(path) in wanted:
            newlines = text.count("\n", seen, start)
            if newlines:
                line += newlines
                line_start = text.rfind("\n", seen, start) + 1
            seen = start
            found[tuple(path)] = (line, start - line_start + 1)
    return found


def _json_twice(text: str) -> Iterator[tuple[Position, str]]:
    """Yield each key of a valid JSON document that its mapping has already, and where it stands."""
    seen: set[Path] = set()
    again: set[Path] = set()
    for path, start in _json_walk(text):
        here = tuple(path)
        if here not in seen:
            seen.add(here)
        elif isinstance(here[-1], str) and not any(here[:n] in again for n in range(len(here))):
            again.add(here)
            line_start = text.rfind("\n", 0, start) + 1
            position = text.count("\n", 0, start) + 1, start - line_start + 1
            yield position, _twice(here[-1])


def _json_walk(text: str) -> Iterator[tuple[list[str | int], int]]:
    """Yield the path of each key and entry of a valid JSON document, and its offset.

    The path is the same list each time.
    """
    path: list[str | int] = []
    in_object: list[bool] = []
    wants_key = False
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if token in ("}", "]"):
            path.pop()
            in_object.pop()
            wants_key = False
            continue
        if token == ":":
            wants_key = False
            continue
        if token == ",":
            wants_key = in_object[-1]
            if not wants_key:
                path[-1] = int(path[-1]) + 1
            continue
        if wants_key:
            path[-1] = json.loads(token)
        if wants_key or (in_object and not in_object[-1]):
            yield path, match.start()
        if token in ("{", "["):
            path.append("" if token == "{" else 0)
            in_object.append(token == "{")
            wants_key = token == "{"
