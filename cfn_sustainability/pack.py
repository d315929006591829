"""The rules as a cdk-nag pack: the only module that knows cdk-nag and the CDK.

    cdk.Validations.of(app).add_plugins(SustainabilityChecks(app))

cdk-nag hands a pack one live resource after the other; reading its properties from Python crosses
to Node for each. This pack reads the templates that the CDK has just written instead: the same
files, by the same code, as ``python -m sustainability scan cdk.out``. So the verdicts are the same,
and only findings cross.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
from constructs import IConstruct

from cfn_sustainability.acknowledgements import rule_name
from cfn_sustainability.assembly import read_folder
from cfn_sustainability.engine import judge
from cfn_sustainability.finding import Finding, Unjudged
from cfn_sustainability.program import link
from cfn_sustainability.rule import PACK, Severity
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import RuleSettings
from cfn_sustainability.template import Acknowledgement, Template

_ACKNOWLEDGED = cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY


class SustainabilityChecks(cdk_nag.NagPack):
    """Fails ``cdk synth`` on infrastructure that certainly uses more than it needs.

    Warnings are reported and do not fail. Acknowledge a rule on the construct it concerns, with
    ``Validations.of(construct).acknowledge(Acknowledgment(id="Sustainability-…", reason="…"))``;
    the reasons are kept in the ``cdk_nag`` metadata of the templates. ``strict`` also warns of what
    could not be judged because it depends on the deployment.
    """

    def __init__(
        self, scope: IConstruct, *, settings: RuleSettings | None = None, strict: bool = False
    ) -> None:
        super().__init__(scope, write_suppressions_to_cloud_formation=True)
        self._pack_name = PACK
        self._settings = settings or RuleSettings()
        self._strict = strict

    @property
    def name(self) -> str:
        """Name in validation reports, and namespace of acknowledgements."""
        return PACK

    @property
    def rule_ids(self) -> list[str]:
        """Identifiers of the rules."""
        return [rule.id for rule in ALL]

    def validate(self, context: cdk_nag.INagValidationContext) -> cdk.PolicyValidationPluginReport:
        """Judge the synthesized templates; called by the CDK."""
        stacks = {Path(stack.template_path): stack for stack in context.stack_templates}
        templates: list[Template] = []
        for folder in sorted({file.parent for file in stacks}):
            names = {file.name for file in stacks if file.parent == folder}
            templates += read_folder(folder, names)
        link(templates)
        judgement = judge(
            templates,
            settings=self._settings,
            acknowledgements=list(_made_above(stacks.values(), context.app_construct)),
        )
        violations = [_violation(finding) for finding in judgement.open]
        if self._strict:
            violations += [_not_judged(unjudged) for unjudged in judgement.unjudged]
        return cdk.PolicyValidationPluginReport(
            success=all(finding.severity is not Severity.ERROR for finding in judgement.open),
            violations=violations,
        )

    def _check_resource(self, node: cdk.CfnResource) -> None:
        raise NotImplementedError(
            "SustainabilityChecks judges synthesized templates, not single resources: register it "
            "with Validations.of(app).add_plugins(...) and synthesize"
        )


def _made_above(
    stacks: Iterable[cdk.PolicyValidationStack], app: IConstruct
) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements on what contains whole stacks; no manifest lists these."""
    paths = {
        tuple(parts[:length])
        for parts in (stack.stack_construct_path.split("/") for stack in stacks)
        for length in range(len(parts))
    }
    for path in sorted(paths):
        construct: IConstruct | None = app
        for part in path:
            construct = construct.node.try_find_child(part) if construct else None
        for entry in construct.node.metadata if construct else ():
            if entry.type == _ACKNOWLEDGED:
                for identifier, reason in entry.data.items():
                    if name := rule_name(identifier):
                        yield Acknowledgement(name, reason, "/".join(path))


def _violation(finding: Finding) -> cdk.PolicyViolation:
    demand = finding.demand
    return cdk.PolicyViolation(
        rule_name=demand.id,
        description=f"{demand.what} {finding.message}",
        fix=demand.fix,
        severity=finding.severity.value,
        rule_metadata={"why": demand.why, "practices": ", ".join(demand.practices)},
        violating_resources=[
            _resource(finding.template, finding.logical_id, finding.path, finding.construct)
        ],
    )


def _not_judged(unjudged: Unjudged) -> cdk.PolicyViolation:
    return cdk.PolicyViolation(
        rule_name=unjudged.demand.id,
        description=f"{unjudged.demand.what} Not judged: it depends on the deployment",
        severity=Severity.WARNING.value,
        violating_resources=[_resource(unjudged.template, unjudged.logical_id)],
    )


def _resource(
    template: Template,
    logical_id: str,
    path: tuple[str | int, ...] = (),
    construct: str | None = None,
) -> cdk.PolicyViolatingResource:
    locations = ["/".join(map(str, path or ("Properties",)))]
    if construct is not None or not logical_id:
        place = template.construct if construct is None else construct
        return cdk.PolicyViolatingResource(construct_path=place, locations=locations)
    return cdk.PolicyViolatingResource(
        resource_logical_id=logical_id, template_path=template.source, locations=locations
    )
