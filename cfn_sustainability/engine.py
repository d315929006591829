"""Judging: every rule on every resource that it concerns, in every world that may come about."""

from __future__ import annotations

from collections.abc import Callable, Collection

from cfn_sustainability.acknowledgements import review
from cfn_sustainability.cdk_made import author_can_change
from cfn_sustainability.finding import Finding, Judgement, Unjudged, Unseen
from cfn_sustainability.program import Place
from cfn_sustainability.properties import Fault
from cfn_sustainability.rule import NotApplicable, Outcome, Rule, Severity
from cfn_sustainability.rules import ALL
from cfn_sustainability.settings import Profile, RuleSettings
from cfn_sustainability.template import Acknowledgement, Template
from cfn_sustainability.values import OTHER, Fork, Scope, Undecidable, World

_WORLDS_MAX = 128
"""Combinations of open choices that one rule is judged in; beyond, the resource is unknown."""
_CHOICES_SHOWN = 4
"""Choices that a finding names; a longer list helps nobody."""


def judge(
    templates: Collection[Template],
    *,
    settings: RuleSettings,
    settings_of: Callable[[Template], RuleSettings] | None = None,
    rules: Collection[Rule] = ALL,
    acknowledgements: Collection[Acknowledgement] = (),
) -> Judgement:
    """Judge a program: templates that may refer to each other, in any order.

    Parameters
    ----------
    templates
        The whole program.
    settings
        What holds for all templates, unless ``settings_of`` tells what holds for each.
    rules
        The rules to judge by.
    acknowledgements
        Those that stand outside all templates, on an app or a stage.
    """
    by_type: dict[str, list[Rule]] = {}
    for rule in rules:
        for kind in rule.resources:
            by_type.setdefault(kind, []).append(rule)
    findings: list[Finding] = []
    undecided: dict[tuple[str, Place], Unjudged] = {}
    profiles: set[Profile] = set()
    for template in templates:
        local = settings_of(template) if settings_of else settings
        profiles.add(local.profile)
        for logical_id, resource in template.resources.items():
            for rule in by_type.get(resource["Type"], ()):
                if local.profile not in rule.profiles:
                    continue
                outcome, faults = examine(rule, template, logical_id, local)
                findings += [
                    Finding(
                        demand=rule,
                        template=template,
                        logical_id=logical_id,
                        path=("Properties", *fault.path),
                        message=f"{fault}{note}",
                        severity=rule.severity if certain else Severity.WARNING,
                    )
                    for fault, note, certain in faults
                ]
                if outcome is Outcome.UNKNOWN:
                    undecided[rule.name, (template, logical_id)] = Unjudged(
                        demand=rule, template=template, logical_id=logical_id
                    )
    reviewed = review(
        templates,
        findings,
        acknowledgements=acknowledgements,
        undecided=undecided,
        rules=[rule for rule in rules if profiles & set(rule.profiles)],
        known={rule.name for rule in ALL},
    )
    return Judgement(
        findings=tuple(reviewed),
        unseen=tuple(
            Unseen(template=template, location=location, why=why)
            for template in templates
            for location, why in template.unseen.items()
        ),
        unjudged=tuple(undecided.values()),
        resources=sum(len(template.resources) - 1 for template in templates),
    )


def examine(
    rule: Rule, template: Template, logical_id: str, settings: RuleSettings
) -> tuple[Outcome, list[tuple[Fault, str, bool]]]:
    """Judge one resource by one rule: the outcome, and each fault.

    With each fault comes in which worlds it occurs, and whether it is certain: AWS takes what the
    rule wants, and a deployment that chooses nothing has the fault.
    """
    worlds: list[World] = [{}]
    seen: dict[Fault, list[World]] = {}
    outcomes: list[Outcome] = []
    while worlds and len(outcomes) + len(worlds) <= _WORLDS_MAX:
        world = worlds.pop()
        try:
            outcome, faults = _examine_in(world, rule, template, logical_id, settings)
        except Fork as fork:
            worlds += [{**world, fork.choice: chosen} for chosen in fork.outcomes]
            continue
        outcomes.append(outcome)
        for fault in faults:
            seen.setdefault(fault, []).append(world)
    if worlds:
        outcomes.append(Outcome.UNKNOWN)
    if not seen:
        ranked = (Outcome.UNKNOWN, Outcome.COMPLIANT)
        return next((one for one in ranked if one in outcomes), Outcome.NOT_APPLICABLE), []
    scope = template.scope({})
    reported = [
        (
            fault,
            "" if len(where) == len(outcomes) else _when(min(where, key=len)),
            fault.certain and any(_is_default(world, scope) for world in where),
        )
        for fault, where in seen.items()
        if author_can_change(template, logical_id, fault)
    ]
    return (Outcome.NON_COMPLIANT if reported else Outcome.NOT_APPLICABLE), reported


def _examine_in(
    world: World, rule: Rule, template: Template, logical_id: str, settings: RuleSettings
) -> tuple[Outcome, list[Fault]]:
    resource = template.resource(logical_id, world)
    faults: list[Fault] = []
    try:
        if not resource.exists:
            return Outcome.NOT_APPLICABLE, []
        for fault in rule.check(resource, settings):
            faults.append(fault)
    except NotApplicable:
        return Outcome.NOT_APPLICABLE, faults
    except (Undecidable, RecursionError):
        return Outcome.UNKNOWN, faults
    return (Outcome.NON_COMPLIANT if faults else Outcome.COMPLIANT), faults


def _is_default(world: World, scope: Scope) -> bool:
    return all(scope.is_default(choice, chosen) for choice, chosen in world.items())


def _when(world: World) -> str:
    conditions = [
        f"{name} is {chosen.text if chosen is OTHER else chosen}"
        for (_, name), chosen in world.items()
    ]
    if len(conditions) > _CHOICES_SHOWN:
        more = len(conditions) - _CHOICES_SHOWN
        conditions = [*conditions[:_CHOICES_SHOWN], f"{more} more choices are like these"]
    return f" (when {' and '.join(conditions)})"
