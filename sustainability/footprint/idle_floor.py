"""The idle floor of any CloudFormation template: what runs and costs without any use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfn_sustainability.program import link
from cfn_sustainability.reader import TemplateError, read_file
from cfn_sustainability.template import TEMPLATE, Resource, Template
from cfn_sustainability.values import Undecidable, World
from sustainability.deployment.schema import Accounting
from sustainability.energy.impact import Component, Impact
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.footprint.idle_resources import RULES, Load, NotKnown, always_on, sleeps
from sustainability.offers.region_map import place


@dataclass(frozen=True)
class Floor:
    """The footprint of a set of templates in a month (730 hours) without any use."""

    region: str
    components: tuple[Component, ...]
    unpriced: tuple[str, ...]
    """Counted in energy and carbon, but without a price in the data."""
    not_known: tuple[str, ...]
    """Not counted, each with the reason: always on, or of an unknown type."""
    asleep: int
    """Number of resources that use nothing while idle."""

    @property
    def total(self) -> Impact:
        """The sum of what could be counted."""
        return Impact.total(component.idle for component in self.components)


def idle_floor(paths: Sequence[Path], region: str) -> Floor:
    """Return the idle floor of the templates, as if deployed in ``region``.

    Raises
    ------
    UserError
        If a file is not a template.
    PlaceError
        If the Region does not exist.
    """
    site = Site.of_region(place(region).region, Accounting.LOCATION, Facts())
    components, unpriced = [], []
    not_known: list[str] = []
    asleep, shared = 0, set()
    for template, logical_id, kind in _resources(paths, region, not_known):
        label = f"{logical_id} ({kind})"
        if kind not in RULES:
            reason = always_on(kind)
            if reason is not None or not sleeps(kind):
                not_known.append(f"{label}: {reason or 'unknown resource type'}")
            else:
                asleep += 1
            continue
        try:
            load = _load(template, logical_id, site)
        except (NotKnown, UserError) as error:
            not_known.append(f"{label}: {error}")
            continue
        except Undecidable:
            not_known.append(f"{label}: one of its values is known only at deployment")
            continue
        if load is None:
            asleep += 1
        elif load.shared_as is None or load.shared_as not in shared:
            shared.add(load.shared_as)
            components.append(Component(label, load.basis, load.impact, load.impact))
            if not load.priced:
                unpriced.append(label)
    return Floor(region, tuple(components), tuple(unpriced), tuple(not_known), asleep)


def _resources(
    paths: Sequence[Path], region: str, unseen: list[str]
) -> Iterator[tuple[Template, str, str]]:
    """Yield the resources of the templates; say in ``unseen`` what only CloudFormation expands."""
    try:
        documents = [read_file(path) for path in paths]
    except TemplateError as error:
        raise UserError(str(error)) from None
    templates = [
        Template(document.body, source=document.source, region=region) for document in documents
    ]
    link(templates)
    for template in templates:
        unseen += [f"{template.source}: {why}" for why in template.unseen.values()]
        for logical_id, resource in template.resources.items():
            if resource["Type"] != TEMPLATE:
                yield template, logical_id, resource["Type"]


def _load(template: Template, logical_id: str, site: Site) -> Load | None:
    """Return what a resource takes in a deployment that chooses nothing."""

    def load(world: World) -> Load | None:
        resource = Resource(template, logical_id, world)
        return RULES[resource.type](resource, site) if resource.exists else None

    return template.by_default(load)
