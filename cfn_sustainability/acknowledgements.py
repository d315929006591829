"""Who acknowledged which rule where, and which acknowledgements are themselves at fault.

The CDK keeps acknowledgements as metadata of constructs; cdk-nag copies them into the ``cdk_nag``
metadata of each resource below. A copy is the same acknowledgement, not another one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from cfn_sustainability.finding import Finding
from cfn_sustainability.program import Place
from cfn_sustainability.rule import PACK, Demand, Rule, Severity
from cfn_sustainability.template import Acknowledgement, Template

REASONED = Demand(
    name="AcknowledgementReasoned",
    severity=Severity.ERROR,
    what="An acknowledgement says why.",
    why="Without its reason nobody can tell later whether it still holds.",
    fix="State the reason.",
)
NARROW = Demand(
    name="AcknowledgementNarrow",
    severity=Severity.ERROR,
    what="An acknowledgement stands on the construct or resource that it concerns.",
    why="On a stack, a stage or an app it also hides whatever is added there later.",
    fix="Move it to the construct that it is about.",
)
CURRENT = Demand(
    name="AcknowledgementCurrent",
    severity=Severity.WARNING,
    what="An acknowledgement concerns a rule that fires.",
    why="A stale one hides the next violation of its rule.",
    fix="Remove it.",
)
DEMANDS = (REASONED, NARROW, CURRENT)


def rule_name(identifier: str) -> str | None:
    """Return the name of the pack's rule that ``identifier`` means, or None for another pack's.

    ``Sustainability-X`` is the id; the CDK writes ``Sustainability::Sustainability-X`` and, for an
    id without namespace, ``Annotation::Sustainability-X``.
    """
    bare = identifier.rpartition("::")[2]
    return bare.removeprefix(f"{PACK}-") if bare.startswith(f"{PACK}-") else None


def review(
    templates: Collection[Template],
    findings: Iterable[Finding],
    *,
    acknowledgements: Iterable[Acknowledgement],
    undecided: Collection[tuple[str, Place]],
    rules: Collection[Rule],
    known: Collection[str],
) -> Iterator[Finding]:
    """Yield the findings, with the reason where one is acknowledged, then the faulty ones.

    ``acknowledgements`` are those that stand outside all stacks. ``undecided`` are the rules, by
    name, that could not judge a resource: an acknowledgement of these is not stale. ``rules`` were
    judged; ``known`` are the names of all that exist.
    """
    covered = _covered(templates, acknowledgements)
    reasons = {
        (acknowledgement.rule, place): acknowledgement.reason
        for acknowledgement, places in covered.items()
        for place in places
    }
    fired = set(undecided)
    for finding in findings:
        key = finding.demand.name, (finding.template, finding.logical_id)
        fired.add(key)
        yield replace(finding, acknowledged=reasons[key]) if key in reasons else finding
    judged = {rule.name for rule in rules}
    stacks = {path for template in templates for path in _upwards(template.construct)}
    for acknowledgement, places in covered.items():
        fires = any((acknowledgement.rule, place) in fired for place in places)
        if not acknowledgement.reason.strip():
            demand, message = REASONED, "gives no reason"
        elif acknowledgement.construct in stacks:
            demand, message = NARROW, "covers a whole stack"
        elif acknowledgement.rule not in known:
            demand, message = CURRENT, "names no rule of this pack"
        elif acknowledgement.rule in judged and not fires:
            demand, message = CURRENT, "concerns a rule that does not fire here"
        else:
            continue
        template, logical_id = places[0] if places else (next(iter(templates)), "")
        yield Finding(
            demand=demand,
            severity=demand.severity,
            template=template,
            logical_id="" if demand is NARROW else logical_id,
            path=("Metadata",),
            message=f"the acknowledgement of {PACK}-{acknowledgement.rule} {message}",
            construct=acknowledgement.construct,
        )


def _covered(
    templates: Iterable[Template], outside: Iterable[Acknowledgement]
) -> dict[Acknowledgement, list[Place]]:
    """Return all acknowledgements with the resources that each covers."""
    covered: dict[Acknowledgement, list[Place]] = {made: [] for made in outside}
    for template in templates:
        written = _written_in(template.body)
        on_stack = [replace(made, construct=template.construct) for made in written]
        covered |= {made: [] for made in (*template.acknowledgements, *on_stack)}
    made_at: dict[str | None, list[Acknowledgement]] = {}
    for made in covered:
        made_at.setdefault(made.construct, []).append(made)
    for template in templates:
        for logical_id, resource in template.resources.items():
            here = [
                made
                for construct in _upwards(template.constructs.get(logical_id, template.construct))
                for made in made_at.get(construct, ())
            ]
            copied = {(made.rule, made.reason) for made in here}
            here += [w for w in _written_in(resource) if (w.rule, w.reason) not in copied]
            for made in here:
                covered.setdefault(made, []).append((template, logical_id))
    return covered


def _upwards(construct: str) -> list[str]:
    """Return the path of a construct and of all above it; the app's path is empty."""
    parts = construct.split("/") if construct else []
    return ["/".join(parts[:length]) for length in range(len(parts), -1, -1)]


def _written_in(holder: object) -> Iterator[Acknowledgement]:
    for key in ("Metadata", "cdk_nag", "rules_to_suppress"):
        holder = holder.get(key) if isinstance(holder, dict) else None
    for entry in holder if isinstance(holder, list) else ():
        if isinstance(entry, dict):
            name = rule_name(str(entry.get("id", "")))
            if name is not None:
                yield Acknowledgement(name, str(entry.get("reason") or ""))
