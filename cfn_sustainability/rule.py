"""What a rule is: a declarative record, a pure function, and templates that show its verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cfn_sustainability.properties import Fault
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Resource

Check = Callable[[Resource, RuleSettings], Iterator[Fault]]
"""Yields what is wrong with a resource; raises ``NotApplicable`` when there is nothing to judge."""

PACK = "Sustainability"


class Severity(StrEnum):
    """How certain the waste is."""

    ERROR = "error"
    """Certain: the same work is done with less, without losing anything asked for."""
    WARNING = "warning"
    """It depends on the workload: look, then change or acknowledge."""


class Outcome(StrEnum):
    """What a rule says of a resource."""

    COMPLIANT = "compliant"
    NON_COMPLIANT = "non-compliant"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"
    """It depends on a value that only the deployment knows."""


class NotApplicable(Exception):
    """The rule has nothing to say of this resource."""


@dataclass(frozen=True, kw_only=True)
class Cases:
    """Small templates with a known outcome.

    Each is the YAML of a ``Resources`` section, or of a whole template when it has that key;
    ``Region`` beside it states where the stack stands.
    """

    compliant: str
    non_compliant: str
    not_applicable: str
    edges: tuple[tuple[Outcome, str], ...]
    """Boundaries, units and intrinsic functions, each with its outcome."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Rule settings under which the cases are judged, where the default says nothing."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Something that is demanded, and why. Its public id is ``Sustainability-`` and its name."""

    name: str
    severity: Severity
    what: str
    why: str
    fix: str
    practices: tuple[str, ...] = ()
    """Best practices that it enforces: GENSUS, MLSUS, SUS, AGENTSUS, GENCOST, GENPERF ids."""

    @property
    def id(self) -> str:
        """The identifier that reports and acknowledgements use."""
        return f"{PACK}-{self.name}"


@dataclass(frozen=True, kw_only=True)
class Rule(Demand):
    """A demand on resources, with the check that judges one."""

    resources: tuple[str, ...]
    """Resource types that the rule judges."""
    evidence: str
    """Title of the source that the rule rests on."""
    note: str
    """What it leaves out, or how it judges."""
    cases: Cases
    check: Check
    saving: str = ""
    """Typical saving, only where a source states one."""
    profiles: tuple[Profile, ...] = tuple(Profile)
    """Environments in which the rule holds."""


def rule(
    name: str,
    *resources: str,
    severity: Severity,
    practices: tuple[str, ...],
    what: str,
    why: str,
    fix: str,
    evidence: str,
    note: str,
    cases: Cases,
    saving: str = "",
    profiles: tuple[Profile, ...] = tuple(Profile),
) -> Callable[[Check], Rule]:
    """Turn a check into the rule ``name`` for these resource types."""

    def record(check: Check) -> Rule:
        return Rule(
            name=name,
            resources=resources,
            severity=severity,
            practices=practices,
            what=what,
            why=why,
            fix=fix,
            evidence=evidence,
            note=note,
            cases=cases,
            check=check,
            saving=saving,
            profiles=profiles,
        )

    return record


def applies_if(condition: bool) -> None:
    """End the check as not applicable unless ``condition`` is true."""
    if not condition:
        raise NotApplicable
