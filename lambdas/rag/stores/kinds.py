"""Returns the store that the settings name. Only this module knows all kinds."""

from __future__ import annotations

import os

from rag.settings import KnowledgeSettings
from rag.stores.opensearch import OpenSearch
from rag.stores.s3_vectors import S3Vectors
from rag.stores.signed import SignedHttp
from rag.stores.store import KnowledgeStore

_KINDS: dict[str, type[OpenSearch | S3Vectors]] = {
    "aoss": OpenSearch,
    "es": OpenSearch,
    "s3vectors": S3Vectors,
}
"""By the name that requests are signed for."""


def open_store(settings: KnowledgeSettings, *, timeout_s: float) -> KnowledgeStore:
    """Return the store; a request waits `timeout_s` for its answer."""
    endpoint = settings.endpoint
    if settings.service == "s3vectors":  # a public name, unlike the others, which are resources
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3VECTORS") or os.environ.get(
            "AWS_ENDPOINT_URL", endpoint
        )
    http = SignedHttp(endpoint, settings.service, timeout_s=timeout_s)
    return _KINDS[settings.service](http, settings.index)
