"""All kinds of store: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Mapping

from sustainability.deployment.schema import Deployment, Store
from sustainability.stores.domain import DomainProfile
from sustainability.stores.profile import StoreProfile
from sustainability.stores.serverless import ServerlessProfile

PROFILES: Mapping[Store, StoreProfile] = {
    Store.SERVERLESS: ServerlessProfile(),
    Store.DOMAIN: DomainProfile(),
}


def profile(deployment: Deployment) -> StoreProfile:
    """Return the profile of the store that ``deployment`` names."""
    return PROFILES[deployment.knowledge.store]
