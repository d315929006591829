"""What both kinds of OpenSearch index have in common: fields of text."""

from __future__ import annotations

from typing import Any


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
