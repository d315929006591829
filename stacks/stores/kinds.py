"""Which constructs make the index of a deployment: the one place that knows all kinds of store."""

from __future__ import annotations

from collections.abc import Mapping

from constructs import Construct

from stacks.stores.domain import DomainStore
from stacks.stores.serverless import ServerlessStore
from stacks.stores.store import FunctionMaker, KnowledgeIndex, KnowledgeStore, TableMaker
from stacks.stores.vectors import VectorStore
from sustainability.deployment.schema import Deployment, Store
from sustainability.stores.generation import Generation
from sustainability.stores.kinds import chosen

_KINDS: Mapping[Store, type[ServerlessStore | DomainStore | VectorStore]] = {
    Store.SERVERLESS: ServerlessStore,
    Store.DOMAIN: DomainStore,
    Store.VECTORS: VectorStore,
}


def wanted(deployment: Deployment) -> Generation:
    """Return the generation of the index that the deployment asks for."""
    store = chosen(deployment)
    knowledge = deployment.knowledge.model_copy(update={"store": store})
    return Generation(knowledge, _KINDS[store].shape(deployment))


def build_indexes(
    scope: Construct,
    *,
    deployment: Deployment,
    serving: Generation | None,
    function: FunctionMaker,
    table: TableMaker,
) -> list[KnowledgeIndex]:
    """Make the index that the deployment asks for, and keep the one that answers until then.

    A store is there once for each kind, whatever number of indexes it holds; what an update leaves
    in the template it leaves in the account. Returned first is the one asked for.

    Parameters
    ----------
    serving
        The generation that answers now, if the deployment is there already.
    function, table
        Make functions and tables.
    """
    newest = wanted(deployment)
    generations = [newest] if serving is None or serving.id == newest.id else [newest, serving]
    stores: dict[Store, KnowledgeStore] = {}
    indexes = []
    for generation in generations:
        kind = generation.knowledge.store
        if kind not in stores:  # one that is only kept is as it was declared
            declared = deployment.model_copy(update={"knowledge": generation.knowledge})
            stores[kind] = _KINDS[kind](
                scope, f"Knowledge{kind.capitalize()}", deployment=declared, function=function
            )
        indexes.append(
            KnowledgeIndex(
                generation=generation,
                store=stores[kind],
                index=stores[kind].add_index(generation),
                table=table(f"Documents{generation.id}", partition_key="document"),
            )
        )
    return indexes
