"""The real OpenSearch server on this machine: no Docker, and Java comes from a wheel."""

from local.opensearch.mapping import local_mapping

__all__ = ["local_mapping"]
