"""What the footprint, the hourly record and the plan need of a kind of store."""

from __future__ import annotations

from typing import Protocol

from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import Demand
from sustainability.energy.impact import Component, Impact
from sustainability.energy.site import Site


class StoreProfile(Protocol):
    """A kind of store; ``kinds`` lists them."""

    resource: str
    """CloudFormation type that a Region must have."""
    service: str
    """What a person calls the service."""

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return the monthly footprint of the store."""

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return the footprint of one unit of each quantity that the hourly record measures."""

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return the monthly footprint of the store itself, which no metric measures."""
