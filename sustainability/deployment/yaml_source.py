"""YAML with line numbers, so that an error can name the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


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
        ValueError
            If it is not one YAML mapping in UTF-8, or a key occurs twice. Names line and column.
        """
        try:
            text = path.read_text(encoding="utf-8")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 at byte {error.start}") from error
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error
        if not isinstance(root, yaml.MappingNode):
            raise ValueError("line 1: expected a mapping of keys to values")
        _refuse_duplicates(root)
        return cls(data=yaml.safe_load(text), root=root)

    def line(self, location: Sequence[int | str]) -> int:
        """Return the line (from 1) of the deepest node of ``location`` that is in the file."""
        node, line = self.root, 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == part]
                if not found:
                    break
                key, node = found[0]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line = node.start_mark.line + 1
        return line


def _refuse_duplicates(root: yaml.Node) -> None:
    waiting, visited = [root], {id(root)}  # aliases may repeat a node, even inside itself
    while waiting:
        node = waiting.pop()
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise ValueError(
                        f"line {line}: key {key.value!r} is already in line {lines[key.value]}"
                    )
                lines[key.value] = line
                children.append(value)
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        for child in children:
            if id(child) not in visited:
                visited.add(id(child))
                waiting.append(child)
