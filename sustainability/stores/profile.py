"""What a footprint, the hourly account and a plan ask about a kind of store."""

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
        """Return what the store takes in a month."""

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what one of each quantity takes that the hourly account measures of the store."""

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return what the store takes in a month by being there, which no metric measures."""
