"""Findings for people and machines: text, JSON, SARIF and JUnit."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cfn_sustainability.estimate import stake
from cfn_sustainability.finding import Finding, Judgement
from cfn_sustainability.practices import load_practices
from cfn_sustainability.reader import Document, Position, TemplateError
from cfn_sustainability.rule import Demand, Rule, Severity
from cfn_sustainability.template import Template


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a scan found, over all programs that it read."""

    ignored: Mapping[str, str]
    """Rules that were left out, by name, with the reasons."""
    strict: bool
    estimate: bool = False
    """Whether to say what is at stake, and to begin with the most."""
    judgements: list[Judgement] = field(default_factory=list)
    documents: dict[Template, Document] = field(default_factory=dict)
    unreadable: list[TemplateError] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Folders in which no template was found."""

    @property
    def findings(self) -> list[Finding]:
        """All findings, acknowledged ones too."""
        return [finding for judgement in self.judgements for finding in judgement.findings]

    @property
    def unseen(self) -> list[tuple[str, Position, str]]:
        """What no rule saw: file, place and why."""
        found = [(folder, (1, 1), "no template was found") for folder in self.empty]
        for judgement in self.judgements:
            for part in judgement.unseen:
                document = self.documents[part.template]
                position = document.positions([part.location])[part.location]
                found.append((part.template.source, position, part.why))
        return found

    def remarks(self) -> list[str]:
        """Return what a reader should know of the templates, beside findings."""
        notes = [
            (document.source, position, f"warning: {remark}")
            for document in self.documents.values()
            for position, remark in document.remarks
        ]
        notes += [(file, place, f"not seen: {why}") for file, place, why in self.unseen]
        return [f"{file}:{line}:{column}: {text}" for file, (line, column), text in notes]

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity that nobody acknowledged."""
        return sum(f.acknowledged is None and f.severity is severity for f in self.findings)

    def summary(self) -> dict[str, Any]:
        """Return the numbers that a reader wants first."""
        return {
            "errors": self.count(Severity.ERROR),
            "warnings": self.count(Severity.WARNING),
            "acknowledged": sum(f.acknowledged is not None for f in self.findings),
            "not_judged": sum(len(judgement.unjudged) for judgement in self.judgements),
            "not_seen": len(self.unseen),
            "unreadable": len(self.unreadable),
            "templates": len(self.documents),
            "resources": sum(judgement.resources for judgement in self.judgements),
            "ignored": dict(self.ignored),
        }

    def placed(self) -> list[tuple[Finding, Position]]:
        """Return the findings with their positions, in the order of the files or of the stakes."""
        by_template: dict[Template, list[Finding]] = {}
        for finding in self.findings:
            by_template.setdefault(finding.template, []).append(finding)
        placed = []
        for template, findings in by_template.items():
            positions = self.documents[template].positions([f.location for f in findings])
            placed += sorted(
                ((finding, positions[finding.location]) for finding in findings),
                key=lambda pair: (pair[1], pair[0].demand.name),
            )
        if self.estimate:
            placed.sort(key=lambda pair: -(at_stake.kwh[1] if (at_stake := stake(pair[0])) else 0))
        return placed


def as_text(report: Report) -> str:
    """Return the report for people: a line and its explanation for each open finding."""
    lines = []
    for finding, (line, column) in report.placed():
        if finding.acknowledged is not None:
            continue
        demand = finding.demand
        lines += [
            f"{finding.template.source}:{line}:{column}: {finding.severity.value} {demand.id}"
            f" {_subject(finding)}",
            *([f"    in: {_in_app(finding)}"] if finding.made_by else []),
            f"    {finding.message}",
            f"    why: {demand.why}",
            f"    fix: {demand.fix}",
        ]
        if report.estimate:
            lines.append(f"    at stake: {stake(finding) or 'not known'}")
    if report.strict:
        lines += [
            f"{unjudged.template.source}: not judged {unjudged.demand.id} on {unjudged.logical_id}:"
            " it depends on the deployment"
            for judgement in report.judgements
            for unjudged in judgement.unjudged
        ]
    numbers = report.summary()
    lines.append(
        ", ".join(
            f"{name.replace('_', ' ')}: {number}"
            for name, number in numbers.items()
            if isinstance(number, int)
        )
    )
    lines += [f"ignored: {name}: {reason}" for name, reason in report.ignored.items()]
    return "\n".join(map(_printable, lines)) + "\n"


VERSION = 1
"""Of the JSON; ``docs/schemas/scan.schema.json`` describes it."""


def as_json(report: Report) -> str:
    """Return the report as one JSON document."""
    return _json(
        {
            "version": VERSION,
            "summary": report.summary(),
            "findings": [
                {
                    "rule": finding.demand.id,
                    "severity": finding.severity.value,
                    "file": finding.template.source,
                    "line": line,
                    "column": column,
                    "resource": finding.logical_id,
                    "type": finding.resource_type,
                    "construct": finding.made_by,
                    "source": _source(finding),
                    "property": "/".join(map(str, finding.path)),
                    "message": finding.message,
                    "why": finding.demand.why,
                    "fix": finding.demand.fix,
                    "practices": list(finding.demand.practices),
                    "acknowledged": finding.acknowledged,
                    **({"kwh_a_month": _kwh(finding)} if report.estimate else {}),
                }
                for finding, (line, column) in report.placed()
            ],
            "not_judged": [
                {
                    "rule": unjudged.demand.id,
                    "file": unjudged.template.source,
                    "resource": unjudged.logical_id,
                }
                for judgement in report.judgements
                for unjudged in judgement.unjudged
            ],
            "not_seen": [
                {"file": file, "line": line, "column": column, "why": why}
                for file, (line, column), why in report.unseen
            ],
            "remarks": report.remarks(),
            "unreadable": [
                {
                    "file": error.source,
                    "line": error.position[0],
                    "column": error.position[1],
                    "problem": error.problem,
                }
                for error in report.unreadable
            ],
        }
    )


def _in_app(finding: Finding) -> str:
    source = _source(finding)
    return f"{finding.made_by} ({source})" if source else str(finding.made_by)


def _source(finding: Finding) -> str | None:
    """Return the file, line and column of the CDK app that a finding is about."""
    line = finding.source_line
    return f"{_from_here(line.file)}:{line.line}:{line.column}" if line else None


def _from_here(file: str) -> str:
    """Return a path relative to the current folder, if it lies in it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _kwh(finding: Finding) -> list[float] | None:
    found = stake(finding)
    return list(found.kwh) if found else None


def as_sarif(report: Report) -> str:
    """Return the report as SARIF 2.1.0, for code scanning."""
    placed = report.placed()
    demands = {finding.demand.id: finding.demand for finding, _ in placed}
    index = {identifier: number for number, identifier in enumerate(demands)}
    return _json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {
                        "driver": {
                            "name": "Sustainability",
                            "rules": [_sarif_rule(demand) for demand in demands.values()],
                        }
                    },
                    "columnKind": "unicodeCodePoints",
                    "invocations": [
                        {
                            "executionSuccessful": not report.unreadable,
                            "toolExecutionNotifications": [
                                {
                                    "level": "error",
                                    "message": {"text": error.problem},
                                    "locations": [_sarif_location(error.source, error.position)],
                                }
                                for error in report.unreadable
                            ],
                        }
                    ],
                    "results": [
                        _sarif_result(finding, position, index) for finding, position in placed
                    ],
                }
            ],
        }
    )


def as_junit(report: Report) -> str:
    """Return the report as JUnit XML: errors are failures, warnings are output."""
    suites = ET.Element("testsuites", name="sustainability")
    by_source: dict[str, list[tuple[Finding, Position]]] = {
        document.source: [] for document in report.documents.values()
    }
    for finding, position in report.placed():
        by_source[finding.template.source].append((finding, position))
    for source, placed in by_source.items():
        failures = [f for f, _ in placed if _fails(f)]
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=_printable(source),
            tests=str(max(len(placed), 1)),
            failures=str(len(failures)),
            errors="0",
        )
        if not placed:
            ET.SubElement(suite, "testcase", classname="template", name="no findings")
        for finding, (line, column) in placed:
            case = ET.SubElement(
                suite,
                "testcase",
                classname=_printable(finding.resource_type),
                name=_printable(f"{finding.demand.id} {_subject(finding)}"),
            )
            text = _printable(f"{source}:{line}:{column}: {finding.message}")
            if _fails(finding):
                failure = ET.SubElement(case, "failure", type="error", message=text)
                failure.text = f"{finding.demand.why}\n{finding.demand.fix}"
            else:
                note = finding.acknowledged
                ET.SubElement(case, "system-out").text = text + (
                    f"\nacknowledged: {_printable(note)}" if note else ""
                )
    for error in report.unreadable:
        suite = ET.SubElement(
            suites, "testsuite", name=_printable(error.source), tests="1", failures="0", errors="1"
        )
        case = ET.SubElement(suite, "testcase", classname="template", name="readable")
        ET.SubElement(case, "error", type="unreadable", message=_printable(str(error)))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def as_github(report: Report) -> str:
    """Return workflow commands of GitHub Actions, which it shows beside the lines of a change.

    A finding in a CDK app stands beside the line of the app, where the CDK knows it.
    """
    lines = []
    for finding, (line, column) in report.placed():
        if finding.acknowledged is None:
            places: dict[str, object] = {
                "file": finding.template.source,
                "line": line,
                "col": column,
            }
            if made := finding.source_line:
                places = {"file": _from_here(made.file), "line": made.line, "col": made.column}
            fields = {**places, "title": f"{finding.demand.id} {_subject(finding)}"}
            given = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in fields.items())
            text = _escaped(f"{finding.message}\n{finding.demand.why}\n{finding.demand.fix}")
            lines.append(f"::{finding.severity.value} {given}::{text}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(value: object, separators: str = "") -> str:
    """Return a text in which nothing ends a workflow command or a field of one."""
    text = str(value)
    for character in f"%\r\n{separators}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


FORMATS = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
    "github": as_github,
}


def _fails(finding: Finding) -> bool:
    return finding.acknowledged is None and finding.severity is Severity.ERROR


def _subject(finding: Finding) -> str:
    if finding.logical_id:
        return f"on {finding.logical_id} ({finding.resource_type})"
    return "on the template"


def _sarif_rule(demand: Demand) -> dict[str, Any]:
    evidence = f" Source: {demand.evidence}." if isinstance(demand, Rule) else ""
    page = {"helpUri": load_practices()[demand.practices[0]].url} if demand.practices else {}
    return {
        "id": demand.id,
        "name": demand.name,
        "shortDescription": {"text": demand.what},
        "fullDescription": {"text": f"{demand.what} {demand.why}"},
        "help": {"text": f"{demand.fix}{evidence}"},
        **page,
        "defaultConfiguration": {"level": demand.severity.value},
        "properties": {"tags": ["sustainability", *demand.practices]},
    }


def _sarif_result(finding: Finding, position: Position, index: Mapping[str, int]) -> dict[str, Any]:
    location = _sarif_location(finding.template.source, position)
    location["logicalLocations"] = [
        {
            "fullyQualifiedName": finding.made_by or finding.logical_id or "template",
            "kind": "resource",
        }
    ]
    result = {
        "ruleId": finding.demand.id,
        "ruleIndex": index[finding.demand.id],
        "level": finding.severity.value,
        "message": {"text": f"{finding.demand.what} {finding.message}"},
        "locations": [location],
        "partialFingerprints": {
            "finding/v1": "/".join(
                map(str, (finding.demand.name, finding.logical_id, *finding.path))
            )
        },
    }
    if made := finding.source_line:
        result["relatedLocations"] = [
            _sarif_location(_from_here(made.file), (made.line, made.column))
        ]
    if finding.acknowledged is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.acknowledged}]
    return result


def _sarif_location(source: str, position: Position) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(source)},
            "region": {"startLine": position[0], "startColumn": position[1]},
        }
    }


def _uri(source: str) -> str:
    path = Path(source)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"


def _printable(text: str) -> str:
    """Return the text with control characters and half surrogates escaped: it is not ours."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
