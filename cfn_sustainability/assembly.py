"""Reading a CDK cloud assembly: its templates, where they stand, and who acknowledged what."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cfn_sustainability.acknowledgements import rule_name
from cfn_sustainability.program import link
from cfn_sustainability.reader import Document, NotATemplateError, TemplateError, read_file
from cfn_sustainability.template import Acknowledgement, SourceLine, Template

_FRAME = re.compile(r"\(?(?P<file>[^()\s]+):(?P<line>\d+):(?P<column>\d+)\)?$")

Sources = dict[Template, Document]
"""Templates with the documents that they were read from."""


def is_assembly(folder: Path) -> bool:
    """Return whether ``folder`` holds what ``cdk synth`` wrote."""
    return (folder / "manifest.json").is_file()


def read_assembly(folder: Path) -> Sources:
    """Read every template of an assembly, those of stages and nested stacks too, as one program.

    Raises
    ------
    TemplateError
        If the manifest or a template cannot be read.
    """
    found: Sources = {}
    waiting: list[Path] = [folder]
    seen: set[Path] = set()
    while waiting:
        current = waiting.pop()
        if current.resolve() not in seen:
            seen.add(current.resolve())
            found |= read_folder(current)
            waiting += [
                current / artifact["properties"]["directoryName"]
                for artifact in _artifacts(current, "cdk:cloud-assembly")
            ]
    link(found)
    return found


def read_folder(folder: Path, files: Collection[str] | None = None) -> Sources:
    """Read the stacks of one manifest and what they nest; only those of ``files`` if given."""
    found: Sources = {}
    for artifact in _artifacts(folder, "aws:cloudformation:stack"):
        if files is None or artifact["properties"]["templateFile"] in files:
            with _manifest_errors(folder):
                found |= _read_stack(folder, artifact)
    return found


def _artifacts(folder: Path, kind: str) -> list[dict[str, Any]]:
    with _manifest_errors(folder):
        artifacts = _json(folder / "manifest.json")["artifacts"].values()
        return [artifact for artifact in artifacts if artifact["type"] == kind]


def _read_stack(folder: Path, artifact: Mapping[str, Any]) -> Sources:
    metadata: dict[str, list[dict[str, Any]]] = artifact.get("metadata", {})
    if "additionalMetadataFile" in artifact:
        metadata = metadata | _json(folder / artifact["additionalMetadataFile"])
    files = dict(_entries(metadata, "aws:cdk:templateFile"))
    if not files:  # an older CDK
        files = {artifact.get("displayName", ""): artifact["properties"]["templateFile"]}
    region = artifact.get("environment", "").rpartition("/")[2]
    made = [
        Acknowledgement(name, reason, construct)
        for construct, acknowledged in _entries(metadata, "aws:cdk:acknowledged-rules")
        for identifier, reason in acknowledged.items()
        if (name := rule_name(identifier)) is not None
    ]
    constructs: dict[str, dict[str, str]] = {stack: {} for stack in files}
    for construct, logical_id in _entries(metadata, "aws:cdk:logicalId"):
        if stack := _stack_of(construct, files):
            constructs[stack][logical_id] = construct
    lines = {
        construct: line
        for construct, frames in _entries(metadata, "aws:cdk:creationStack")
        if (line := _line_of(frames))
    }
    found: Sources = {}
    templates: dict[str, Template] = {}
    for stack, file in files.items():
        try:
            document = read_file(folder / file)
        except NotATemplateError:
            continue  # a stack may be empty
        template = Template(
            document.body,
            source=document.source,
            region=region if region != "unknown-region" else None,
            construct=stack,
            constructs=constructs[stack],
            lines=lines,
            acknowledgements=made,
            complete=True,
        )
        templates[stack], found[template] = template, document
    for stack, template in templates.items():
        resource = f"{stack}.NestedStack/{stack.rpartition('/')[2]}.NestedStackResource"
        parent = templates.get(_stack_of(resource, files) or "")
        if parent:
            for logical_id, construct in parent.constructs.items():
                if construct == resource:
                    template.parents.append((parent, logical_id))
    return found


def _line_of(frames: Iterable[object]) -> SourceLine | None:
    """Return the line of the app that made a construct; None where the CDK knows none.

    The CDK knows the lines of JavaScript and TypeScript. Other languages call it through jsii.
    """
    found = (_FRAME.search(frame) for frame in frames if isinstance(frame, str))
    return next((SourceLine(m["file"], int(m["line"]), int(m["column"])) for m in found if m), None)


def _entries(metadata: Mapping[str, list[dict[str, Any]]], kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the construct path and the data of each metadata entry of a kind."""
    for path, entries in metadata.items():
        for entry in entries:
            if entry["type"] == kind:
                yield path.strip("/"), entry["data"]


def _stack_of(construct: str, stacks: Iterable[str]) -> str | None:
    """Return the innermost stack that a construct stands in."""
    around = [stack for stack in stacks if f"{construct}/".startswith(f"{stack}/")]
    return max(around, key=len, default=None)


def _json(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return parsed


@contextmanager
def _manifest_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"not a CDK cloud assembly: {type(error).__name__}: {error}"
        raise TemplateError(str(folder / "manifest.json"), (1, 1), problem) from None
