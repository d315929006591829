"""What a footprint, the hourly record and a plan need to know about a kind of store."""

from __future__ import annotations

from typing import Protocol

from sustainability.deployment.schema import Deployment
from sustainability.energy.demand import Demand
from sustainability.energy.impact import Component, Impact
from sustainability.energy.site import Site


class StoreProfile(Protocol):
    """A kind of store; the module ``kinds`` lists all."""

    resource: str
    """CloudFormation resource type that a Region must offer."""
    service: str
    """The name of the service for readers."""

    def component(self, deployment: Deployment, demand: Demand, site: Site) -> Component:
        """Return what the store uses in a month."""

    def units(self, deployment: Deployment, site: Site) -> dict[str, Impact]:
        """Return what one unit of each measured quantity uses; the hourly record measures them."""

    def standing(self, deployment: Deployment, site: Site) -> Impact:
        """Return what the store uses in a month without any use, which no metric measures."""
