"""The real OpenSearch server on this machine: without Docker, with Java from a wheel."""

from local.opensearch.mapping import local_mapping

__all__ = ["local_mapping"]
