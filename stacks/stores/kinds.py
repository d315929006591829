"""Which construct makes the store that a deployment names. Only this module knows all kinds."""

from __future__ import annotations

from collections.abc import Mapping

from constructs import Construct

from stacks.stores.domain import DomainStore
from stacks.stores.serverless import ServerlessStore
from stacks.stores.store import FunctionMaker, KnowledgeStore
from stacks.stores.vectors import VectorStore
from sustainability.deployment.schema import Deployment, Store
from sustainability.stores.kinds import chosen

_KINDS: Mapping[Store, type[ServerlessStore | DomainStore | VectorStore]] = {
    Store.SERVERLESS: ServerlessStore,
    Store.DOMAIN: DomainStore,
    Store.VECTORS: VectorStore,
}


def build_store(
    scope: Construct, id_: str, *, deployment: Deployment, function: FunctionMaker
) -> KnowledgeStore:
    """Return the deployment's store; ``function`` makes the functions that the store needs."""
    return _KINDS[chosen(deployment)](scope, id_, deployment=deployment, function=function)
