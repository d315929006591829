"""All kinds of store. Only this module knows them all."""

from __future__ import annotations

from collections.abc import Mapping

from sustainability.deployment.schema import Deployment, Store
from sustainability.stores.choice import cheapest
from sustainability.stores.domain import DomainProfile
from sustainability.stores.profile import StoreProfile
from sustainability.stores.serverless import ServerlessProfile
from sustainability.stores.vectors import VectorsProfile

PROFILES: Mapping[Store, StoreProfile] = {
    Store.VECTORS: VectorsProfile(),
    Store.SERVERLESS: ServerlessProfile(),
    Store.DOMAIN: DomainProfile(),
}


def chosen(deployment: Deployment) -> Store:
    """Return the kind of store that ``deployment`` names, or the best one for ``auto``."""
    store = deployment.knowledge.store
    return cheapest(deployment, PROFILES) if store is Store.AUTO else store


def profile(deployment: Deployment) -> StoreProfile:
    """Return the profile of the deployment's store."""
    return PROFILES[chosen(deployment)]
