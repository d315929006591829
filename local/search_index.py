"""Creates the indexes of the OpenSearch Serverless resource types in the local OpenSearch."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from local.cloudformation import RECORDS, Behaviour, Properties

_TIMEOUT_SECONDS = 30
_CAPACITIES = {1, 2, 4, 8, *range(16, 1713, 16)}
"""Allowed capacity units (OCUs) of a group's limits. The newest AWS page no longer lists 1."""


def behaviours(opensearch_url: str) -> dict[str, Behaviour]:
    """Behaviour by resource type, with the OpenSearch server at `opensearch_url`."""

    def endpoints(physical_id: str, props: Properties) -> dict[str, Any]:
        return {"CollectionEndpoint": opensearch_url, "DashboardEndpoint": opensearch_url}

    def create(physical_id: str, props: Properties) -> None:
        # All collections share one server here, and a new collection is empty: an index with
        # this name belongs to a collection that is being replaced or no longer exists.
        _call(opensearch_url, "DELETE", props["IndexName"])
        _call(opensearch_url, "PUT", props["IndexName"], _body(props))

    def update(physical_id: str, props: Properties) -> None:
        _call(opensearch_url, "PUT", f"{props['IndexName']}/_mapping", _body(props)["mappings"])

    def delete(physical_id: str, props: Properties) -> None:
        claims = [
            r for r in RECORDS.values() if r["properties"].get("IndexName") == props["IndexName"]
        ]
        if len(claims) == 1:
            _call(opensearch_url, "DELETE", props["IndexName"])

    def check(physical_id: str, props: Properties) -> None:
        for name, value in props.get("CapacityLimits", {}).items():
            asleep = name.startswith("Min") and float(value) == 0
            if not asleep and float(value) not in _CAPACITIES:
                raise ValueError(
                    f"Invalid value {value} for {name}. Valid values are 1, 2, 4, 8, 16 and "
                    "multiples of 16; a minimum may be 0."
                )

    index = Behaviour(create=create, update=update, delete=delete)
    return {
        "AWS::OpenSearchServerless::Collection": Behaviour(attributes=endpoints),
        "AWS::OpenSearchServerless::CollectionGroup": Behaviour(create=check, update=check),
        "AWS::OpenSearchServerless::CollectionIndex": index,
        "AWS::OpenSearchServerless::Index": index,
    }


def index_body(props: Properties) -> dict[str, Any]:
    """Return the body of OpenSearch's create-index call for an index resource of either type."""
    if "IndexSchema" in props:
        try:
            schema: dict[str, Any] = json.loads(props["IndexSchema"])
        except ValueError as error:
            raise ValueError(f"IndexSchema is not JSON: {error}") from error
        return schema
    index = props.get("Settings", {}).get("Index", {})
    names = {"Knn": "knn", "KnnAlgoParamEfSearch": "knn.algo_param.ef_search"}
    settings = {names.get(key, _snake_case(key)): value for key, value in index.items()}
    fields = props.get("Mappings", {}).get("Properties", {})
    return {"settings": {"index": settings}, "mappings": {"properties": _fields(fields)}}


def _fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    # Field names are the user's; the keys inside a field are OpenSearch's, in Pascal case.
    return {name: _field(field) for name, field in fields.items()}


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    converted = {}
    for key, value in field.items():
        if key == "Properties":
            value = _fields(value)
        elif isinstance(value, Mapping):
            value = _field(value)
        converted[_snake_case(key)] = value
    return converted


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _body(props: Properties) -> dict[str, Any]:
    from local.opensearch import local_mapping

    return local_mapping(index_body(props))


def _call(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
    request = urllib.request.Request(
        f"{url}/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as error:
        if method == "DELETE" and error.code == 404:
            return
        reason = error.read().decode(errors="replace")
        raise ValueError(f"OpenSearch refused {method} /{path}: {reason}") from error
    except OSError as error:
        raise ValueError(
            f"OpenSearch at {url} does not answer ({error}): start it first"
        ) from error
