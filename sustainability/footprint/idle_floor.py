"""The idle floor of any CloudFormation template: what runs and costs without any use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sustainability.deployment.schema import Accounting
from sustainability.energy.impact import Component, Impact
from sustainability.energy.site import Site
from sustainability.errors import UserError
from sustainability.facts.lookup import Facts
from sustainability.footprint.template import NotKnown, read_resources
from sustainability.footprint.template_resources import RULES, always_on, sleeps
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
    TemplateError
        If a file is not a template.
    PlaceError
        If the Region does not exist.
    """
    site = Site.of_region(place(region).region, Accounting.LOCATION, Facts())
    components, unpriced, not_known = [], [], []
    asleep, shared = 0, set()
    for resource in read_resources(paths):
        label = f"{resource.name} ({resource.type})"
        rule = RULES.get(resource.type)
        if rule is None:
            reason = always_on(resource.type)
            if reason is not None or not sleeps(resource.type):
                not_known.append(f"{label}: {reason or 'unknown resource type'}")
            else:
                asleep += 1
            continue
        try:
            load = rule(resource, site)
        except (NotKnown, UserError) as error:
            not_known.append(f"{label}: {error}")
            continue
        if load is None:
            asleep += 1
        elif load.shared_as is None or load.shared_as not in shared:
            shared.add(load.shared_as)
            components.append(Component(label, load.basis, load.impact, load.impact))
            if not load.priced:
                unpriced.append(label)
    return Floor(region, tuple(components), tuple(unpriced), tuple(not_known), asleep)
