"""Which store the settings name: the one place that knows all kinds."""

from __future__ import annotations

from rag.settings import KnowledgeSettings
from rag.stores.opensearch import OpenSearch
from rag.stores.signed import SignedHttp
from rag.stores.store import KnowledgeStore


def open_store(settings: KnowledgeSettings, *, timeout_s: float) -> KnowledgeStore:
    """Return the store; a request waits `timeout_s` for its answer."""
    return OpenSearch(
        SignedHttp(settings.endpoint, settings.service, timeout_s=timeout_s), settings.index
    )
