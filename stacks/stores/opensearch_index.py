"""What both kinds of OpenSearch index share: the text fields and the name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sustainability.deployment.schema import Deployment


def text_fields(analyzer: str) -> dict[str, Any]:
    """Return the mapping of a passage's fields, without its vector."""
    return {
        "document": {"type": "keyword"},
        "collection": {"type": "keyword"},
        "format": {"type": "keyword"},
        "title": {"type": "keyword", "index": False},
        "section": {"type": "text", "analyzer": analyzer},
        "text": {"type": "text", "analyzer": analyzer},
        "parts": {"type": "text", "analyzer": analyzer},
        "position": {"type": "integer"},
    }


def versioned_name(deployment: Deployment, mapping: Mapping[str, Any]) -> str:
    """Return the index's name, which contains a digest of the mapping."""
    # Several deployments can share one server, as in the embedded AWS.
    digest = hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()
    return f"{deployment.name}-documents-{digest[:8]}"
