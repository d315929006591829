"""YAML with line numbers, so that an error can name the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_CURES = {
    "mapping values are not allowed": "write a text that contains ': ' in quotes",
    "cannot start any token": "indent with spaces; write text that begins with a sign in quotes",
    "could not find expected ':'": "write each key as `key: value`",
    "determine a constructor": "a file has plain values only; remove the !tag",
    "undefined alias": "write text that begins with * in quotes",
}
"""What to do about the errors of the parser whose own words do not say it."""


class _Loader(yaml.SafeLoader):
    """Leaves days as they are written: a day that does not exist is no error of the parser."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YamlFault(ValueError):
    """A file that is not one YAML mapping. Begins with the line, counted from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"{line}: {text}")


@dataclass(frozen=True)
class YamlSource:
    """A parsed YAML mapping and its node tree."""

    data: dict[str, Any]
    root: yaml.Node

    @classmethod
    def read(cls, path: Path) -> YamlSource:
        """Parse ``path``.

        Raises
        ------
        OSError
            If the file cannot be read.
        YamlFault
            If it is not one YAML mapping in UTF-8, or a key occurs twice. Names the line.
        """
        content = path.read_bytes()
        try:
            text = content.decode("utf-8")
            root = yaml.compose(text, Loader=_Loader)
            if not isinstance(root, yaml.MappingNode):
                raise YamlFault(1, "expected a mapping: keys with values, such as `name: dev`")
            _refuse_duplicates(root)
            return cls(data=yaml.load(text, Loader=_Loader), root=root)
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise YamlFault(line, f"not UTF-8 at byte {error.start}; save the file as UTF-8") from (
                error
            )
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = str(error.problem)
            cure = next((cure for words, cure in _CURES.items() if words in problem), None)
            text = f"not YAML: {problem}{f'; {cure}' if cure else ''}"
            raise YamlFault(mark.line + 1 if mark else 1, text) from error
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise YamlFault(1, f"not YAML: {getattr(error, 'reason', error)}") from error

    def line(self, location: Sequence[int | str]) -> int:
        """Return the line (from 1) of the deepest node of ``location`` that is in the file."""
        return self._find(location)[0]

    def written(self, location: Sequence[int | str]) -> str:
        """Return the value at ``location`` as the file has it, or the key where the value ends."""
        node = self._find(location)[1]
        return str(node.value) if isinstance(node, yaml.ScalarNode) else ""

    def _find(self, location: Sequence[int | str]) -> tuple[int, yaml.Node]:
        node, line = self.root, 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == str(part)]
                if not found:
                    break
                key, node = found[0]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line, node


def _refuse_duplicates(root: yaml.Node) -> None:
    waiting, visited = [root], {id(root)}  # aliases may repeat a node, even inside itself
    while waiting:
        node = waiting.pop()
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise YamlFault(line, "a key must be text, not a list or a mapping")
                if key.value in lines:
                    raise YamlFault(
                        line, f"key {key.value!r} is already in line {lines[key.value]}"
                    )
                lines[key.value] = line
                children.append(value)
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        for child in children:
            if id(child) not in visited:
                visited.add(id(child))
                waiting.append(child)
