"""Adapts an index body for AWS to the local server."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_NEAREST_COMPRESSION = {"2x": "1x", "8x": "4x", "16x": "4x"}
"""Lucene compresses 1x, 4x and 32x. Other levels become the next level that loses less."""

_LUCENE_PARAMETERS = {"m", "ef_construction"}


def local_mapping(index_body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a create-index call with its vector fields on the Lucene engine.

    AWS searches vectors with native engines (faiss, the default; s3vector). The local server has
    none, and would stop. Space type, dimension, data type and the graph's parameters stay, and so
    do the modes and compression levels that Lucene has (also 32x). An encoder is removed: vectors
    are then stored in full precision, unless a compression level is set. A body that fits already
    is returned unchanged.
    """
    body = deepcopy(dict(index_body))
    _fit(body.get("mappings", {}))
    return body


def _fit(node: dict[str, Any]) -> None:
    for field in node.get("properties", {}).values():
        if field.get("type") == "knn_vector":
            _use_lucene(field)
        _fit(field)


def _use_lucene(field: dict[str, Any]) -> None:
    field["engine"] = "lucene"
    if method := field.get("method"):
        method.pop("engine", None)
        method["name"] = "hnsw"
        parameters = method.get("parameters", {})
        method["parameters"] = {
            name: value for name, value in parameters.items() if name in _LUCENE_PARAMETERS
        }
    if level := field.get("compression_level"):
        field["compression_level"] = _NEAREST_COMPRESSION.get(level, level)
        if field["compression_level"] == "1x":
            field.pop("mode", None)
