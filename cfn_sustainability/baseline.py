"""The findings that an old code base has when it adopts the rules: they do not fail it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cfn_sustainability.errors import CallError
from cfn_sustainability.finding import Finding, Judgement
from cfn_sustainability.report import Report

Key = tuple[str, str, str, str]
"""File, rule, resource and property of a finding: what moved lines leave as it is."""
_KNOWN = "known: it is in the baseline"


def apply(file: Path, report: Report) -> None:
    """Accept the findings that the baseline lists.

    Raises
    ------
    CallError
        If the file is no baseline.
    """
    known = _read(file)
    report.judgements[:] = [_accepted(judgement, known) for judgement in report.judgements]


def write(file: Path, report: Report) -> str:
    """Write the open findings, and keep those of files that this call did not read."""
    scanned = {template.source for template in report.documents}
    found = {_key(f) for f in report.findings if f.acknowledged is None}
    before = _read(file) if file.exists() else set()
    elsewhere = {key for key in before if key[0] not in scanned}
    fields = ("file", "rule", "resource", "property")
    entries = [dict(zip(fields, key, strict=True)) for key in sorted(found | elsewhere)]
    file.write_text(json.dumps({"findings": entries}, indent=2) + "\n", encoding="utf-8")
    fixed = len(before - found - elsewhere)
    return f"{file}: {len(entries)} findings, {len(found - before)} new, {fixed} fixed"


def _accepted(judgement: Judgement, known: set[Key]) -> Judgement:
    findings = (
        replace(finding, acknowledged=_KNOWN)
        if finding.acknowledged is None and _key(finding) in known
        else finding
        for finding in judgement.findings
    )
    return replace(judgement, findings=tuple(findings))


def _key(finding: Finding) -> Key:
    source = Path(finding.template.source).as_posix()
    return source, finding.demand.name, finding.logical_id, "/".join(map(str, finding.path))


def _read(file: Path) -> set[Key]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["findings"]
        return {(e["file"], e["rule"], e["resource"], e["property"]) for e in entries}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CallError(f"{file}: no baseline: {error}; make one with --write-baseline") from None
