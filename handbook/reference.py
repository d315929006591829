"""Reference pages made from the code: settings, commands, metrics."""

from __future__ import annotations

import argparse
import csv
import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sustainability import commands
from sustainability.deployment.schema import Deployment

_METRICS = Path("sustainability/facts/data/metrics.csv")


def settings() -> str:
    """Return every setting of a deployment file with type, default and meaning."""
    schema = Deployment.model_json_schema()
    parts = [
        "# Settings of a deployment file",
        "Made from the schema, `python -m sustainability schema`. A setting without a default "
        "must be stated.",
        *_section("", schema, schema["$defs"]),
    ]
    return "\n\n".join(parts) + "\n"


def _section(path: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    needed = set(schema.get("required", ()))
    rows, inner = [], []
    for name, field in schema["properties"].items():
        whole = f"{path}{name}"
        section = _inner(field, definitions)
        if section is not None:
            each = "[]" if field.get("type") == "array" else ""
            inner.append((f"{whole}{each}.", section))
            continue
        default = "needed" if name in needed else _code(field.get("default"))
        meaning = _text(field.get("description") or _described(field, definitions))
        rows.append(f"| `{name}` | {_kind(field, definitions)} | {default} | {meaning} |")
    yield f"## {path.rstrip('.') or 'The file'}"
    if schema.get("description"):
        yield _text(schema["description"])
    if rows:
        yield "\n".join(["| Setting | Values | Default | Meaning |", "|---|---|---|---|", *rows])
    for start, section in inner:
        yield from _section(start, section, definitions)


def _inner(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the section that a field is, if it is one."""
    for choice in (field, *field.get("anyOf", ()), field.get("items", {})):
        found = definitions.get(choice.get("$ref", "").rpartition("/")[2], {})
        if "properties" in found:
            return dict(found)
    return None


def _described(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    found = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
    return str(found.get("description", ""))


def _kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return _kind(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        kinds = [_kind(each, definitions) for each in field["anyOf"]]
        return " or ".join(kind for kind in dict.fromkeys(kinds) if kind != "nothing")
    if "enum" in field:
        return ", ".join(_code(value) for value in field["enum"])
    if "const" in field:
        return _code(field["const"])
    if field.get("type") == "array":
        of = field.get("items")
        return f"list of {_kind(of, definitions)}" if isinstance(of, Mapping) else "list"
    bounds = [
        f"{sign} {field[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in field
    ]
    names = {"null": "nothing", "integer": "whole number", "boolean": "true, false",
             "string": "text", "object": "map"}  # fmt: skip
    kind = str(field.get("type", "value"))
    shown = names.get(kind, kind)
    examples = [_code(value) for value in field.get("examples", ())]
    return " ".join([shown, *([", ".join(bounds)] if bounds else []),
                     *([f"such as {', '.join(examples)}"] if examples else [])])  # fmt: skip


def _code(value: Any) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ({}, [], "") else "empty"


def _text(text: str) -> str:
    """Return text for a cell of a table, with reStructuredText's code marks as Markdown's."""
    return re.sub(r"\s+", " ", text).replace("``", "`").replace("|", "\\|")


def command_line() -> str:
    """Return every command with its help, and the targets of the Makefile."""
    parser = argparse.ArgumentParser(prog="python -m sustainability")
    subparsers = parser.add_subparsers()
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}").add_parser(subparsers)
    targets = re.findall(r"^([a-z][a-z-]*):.*?## (.*)$", Path("Makefile").read_text(), re.MULTILINE)
    parts = [
        "# Commands",
        "## make",
        "\n".join(
            ["| Target | What it does |", "|---|---|",
             *(f"| `make {name}` | {_text(says)} |" for name, says in targets)]
        ),
        "## python -m sustainability",
    ]  # fmt: skip
    for name, sub in subparsers.choices.items():
        parts += [f"### {name}", f"```text\n{_help(sub)}\n```"]
    return "\n\n".join(parts) + "\n"


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=88)
    return parser.format_help().strip()


def metrics() -> str:
    """Return every metric that an alarm, a graph or the hourly record may read."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(_METRICS.read_text().splitlines()):
        rows[row["namespace"]].append(row)
    parts = [
        "# Metrics",
        "Made from `sustainability/facts/data/metrics.csv`. An alarm on any other metric fails "
        "`cdk synth`.",
    ]
    for namespace, found in rows.items():
        table = [
            "| Metric | Dimensions | Unit | Statistics | Source |",
            "|---|---|---|---|---|",
            *(
                f"| `{row['metric']}` | {_text(row['dimensions'])} | {row['unit']} "
                f"| {row['statistics']} | {_text(row['source'])} |"
                for row in found
            ),
        ]
        parts += [f"## {namespace}", "\n".join(table)]
    return "\n\n".join(parts) + "\n"
