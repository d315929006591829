"""What a team sets in a file: thresholds, severities and exceptions, also by path.

The sections are ``rules``, ``severity``, ``ignore`` and ``paths``; docs/scan.md shows a file.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cfn_sustainability.errors import CallError
from cfn_sustainability.finding import Finding, Judgement
from cfn_sustainability.reader import Document, TemplateError, read_mapping
from cfn_sustainability.rule import PACK, Severity
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Template

_Reason = Annotated[str, Field(min_length=10)]


class _Scope(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: dict[str, Any] = {}
    severity: dict[str, Severity] = {}
    ignore: dict[str, _Reason] = {}


class _PathScope(_Scope):
    match: str


class _File(_Scope):
    paths: tuple[_PathScope, ...] = ()


@dataclass(frozen=True)
class Local:
    """What holds for one template."""

    settings: RuleSettings
    severity: Mapping[str, Severity]
    ignore: Mapping[str, str]


@dataclass(frozen=True)
class Configuration:
    """A settings file, checked."""

    base: Local
    folder: Path = Path()
    """What paths are relative to: where the file stands."""
    paths: tuple[tuple[str, Local], ...] = ()
    """Patterns of paths; the last that matches a template holds for it."""

    def of(self, template: Template) -> Local:
        """Return what holds for a template."""
        if not self.paths:
            return self.base
        path = Path(os.path.relpath(template.source, self.folder)).as_posix()
        found = [local for pattern, local in self.paths if fnmatch.fnmatch(path, pattern)]
        return found[-1] if found else self.base

    def applied(self, judgement: Judgement) -> Judgement:
        """Return the judgement with the severities and exceptions of the file."""
        return replace(judgement, findings=tuple(map(self._applied, judgement.findings)))

    def _applied(self, finding: Finding) -> Finding:
        local, name = self.of(finding.template), finding.demand.name
        if name not in local.severity and name not in local.ignore:
            return finding
        return replace(
            finding,
            severity=local.severity.get(name, finding.severity),
            acknowledged=finding.acknowledged or local.ignore.get(name),
        )


def load(file: Path, known: Iterable[str], more: Mapping[str, object]) -> Configuration:
    """Read a settings file.

    Parameters
    ----------
    file
        YAML with the sections ``rules``, ``severity``, ``ignore`` and ``paths``.
    known
        The names of all rules.
    more
        Settings that the command line chose, which win over those of the file.

    Raises
    ------
    CallError
        If a section, a setting or a rule does not exist, or a value is not allowed; with its line.
    """
    try:
        source = read_mapping(file)
    except TemplateError as error:
        raise CallError(str(error)) from None
    if not {"rules", "severity", "ignore", "paths"} & source.body.keys():
        raise CallError(f"{file}: no section rules, severity, ignore or paths")
    read = _checked(file, source)
    names = set(known)
    base = _local(file, source, read, None, more, names)
    paths = tuple(
        (scope.match, _local(file, source, scope, base, more, names, ("paths", number)))
        for number, scope in enumerate(read.paths)
    )
    return Configuration(base, file.parent, paths)


def _checked(file: Path, source: Document) -> _File:
    try:
        return _File.model_validate(source.body)
    except ValidationError as error:
        raise _errors(file, source, (), error) from None


def _local(
    file: Path,
    source: Document,
    scope: _Scope,
    base: Local | None,
    more: Mapping[str, object],
    known: set[str],
    at: tuple[str | int, ...] = (),
) -> Local:
    for section in ("severity", "ignore"):
        for name in getattr(scope, section):
            if name.removeprefix(f"{PACK}-") not in known:
                path = (*at, section, name)
                raise CallError(f"{_place(file, source, path)}: no rule {name}")
    inherited = base.settings.model_dump(exclude_unset=True) if base else {}
    try:
        settings = RuleSettings.model_validate({**inherited, **scope.rules, **more})
    except ValidationError as error:
        raise _errors(file, source, (*at, "rules"), error) from None
    return Local(
        settings,
        {**(base.severity if base else {}), **_bare(scope.severity)},
        {**(base.ignore if base else {}), **_bare(scope.ignore)},
    )


def _bare(chosen: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{PACK}-"): value for name, value in chosen.items()}


def _errors(
    file: Path, source: Document, at: tuple[str | int, ...], error: ValidationError
) -> CallError:
    return CallError(
        "\n".join(
            f"{_place(file, source, (*at, *fault['loc']))}: {fault['msg']}"
            for fault in error.errors()
        )
    )


def _place(file: Path, source: Document, path: tuple[str | int, ...]) -> str:
    line, _ = source.positions([path])[path]
    return f"{file}:{line}: {'.'.join(map(str, path))}"
