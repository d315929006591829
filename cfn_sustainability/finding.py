"""What the rules found."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cfn_sustainability.properties import Path
from cfn_sustainability.rule import Demand, Severity
from cfn_sustainability.template import SourceLine, Template


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One demand that a template does not meet, and where."""

    demand: Demand
    template: Template
    logical_id: str
    """The resource; empty for the template itself."""
    path: Path
    """From the resource, or the template, to the property."""
    message: str
    severity: Severity
    """That of the demand, or a warning where the waste is not certain."""
    construct: str | None = None
    """Path of the construct, where the finding is about one and not about a resource."""
    acknowledged: str | None = None
    """The reason why the finding is accepted."""

    @property
    def resource_type(self) -> str:
        """CloudFormation type of the resource."""
        return str(self.template.resources[self.logical_id]["Type"])

    @property
    def made_by(self) -> str | None:
        """Path of the construct that the finding is about; None outside of a CDK app."""
        return self.construct or self.template.constructs.get(self.logical_id)

    @property
    def source_line(self) -> SourceLine | None:
        """The line of the CDK app that makes the construct, where the CDK knows it."""
        return self.template.line_of(self.made_by)

    @property
    def location(self) -> Path:
        """Path from the root of the template."""
        origin: Path = self.template.origin(self.logical_id) if self.logical_id else ()
        return (*origin, *self.path)


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """A resource that a rule could not judge, because it depends on the deployment."""

    demand: Demand
    template: Template
    logical_id: str


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """A part of a template that no rule saw, because only CloudFormation can expand it."""

    template: Template
    location: Path
    """Path from the root of the template."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Everything that the rules said about a program."""

    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    unseen: tuple[Unseen, ...]
    resources: int
    """Resources seen, of any type."""

    @property
    def open(self) -> list[Finding]:
        """Findings that nobody acknowledged."""
        return [finding for finding in self.findings if finding.acknowledged is None]


def softened(judgement: Judgement) -> Judgement:
    """Return the judgement with every error as a warning."""
    findings = (replace(finding, severity=Severity.WARNING) for finding in judgement.findings)
    return replace(judgement, findings=tuple(findings))
