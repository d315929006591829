"""reStructuredText, through the HTML that docutils makes of it."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.core import publish_parts
from docutils.parsers.rst import Directive, directives, roles

from rag.chunks import Block
from rag.extract import html
from rag.extract.encodings import plain
from rag.extract.outline import Outline

_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "report_level": 5,
    "halt_level": 5,
    "doctitle_xform": False,
    "math_output": "LaTeX",
    "syntax_highlight": "none",
}


class _Unknown(Directive):  # type: ignore[misc]
    """The content of a directive that docutils does not know, such as those of Sphinx."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        if self.arguments:
            container += nodes.paragraph("", self.arguments[0])
        self.state.nested_parse(self.content, self.content_offset, container)
        return [container]


def read(data: bytes) -> tuple[str, list[Block]]:
    """Title (the first heading) and blocks."""
    outline = Outline()
    known_directive, known_role = directives.directive, roles.role

    def directive(*arguments: Any) -> Any:
        found, messages = known_directive(*arguments)
        return found or _Unknown, messages if found else []

    def role(*arguments: Any) -> Any:
        found, messages = known_role(*arguments)
        return found or _unknown_role, messages if found else []

    directives.directive, roles.role = directive, role
    try:
        parts = publish_parts(plain(data), writer="html5", settings_overrides=_SETTINGS)
    finally:
        directives.directive, roles.role = known_directive, known_role
    html.add(outline, parts["body"])
    return outline.title, outline.close()


def _unknown_role(name: str, source: str, text: str, *_: Any, **__: Any) -> Any:
    """Return the text of an unknown role without its target: `text <target>`."""
    shown = nodes.unescape(text).partition(" <")[0] or text
    return [nodes.literal(source, shown)], []
