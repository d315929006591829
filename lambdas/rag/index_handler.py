"""CloudFormation custom resource: the index of a managed OpenSearch domain.

Properties: `Endpoint`, `IndexName`, and `Index`, the body as a JSON string. A mapping cannot be
changed in place, so another body needs another name: CloudFormation then makes the new index
first and deletes the old one afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.custom_resource import respond
from rag.stores.signed import SignedHttp
from rag.stores.store import StoreError

_TIMEOUT_S = 30


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Make or delete the index and report to CloudFormation's response URL."""
    properties = event["ResourceProperties"]
    present = str(event.get("PhysicalResourceId", properties["IndexName"]))

    def act() -> str:
        store = SignedHttp(properties["Endpoint"], "es", _TIMEOUT_S)
        if event["RequestType"] == "Delete":
            _delete(store, present)
            return present
        _require_same_body(event)
        _create(store, properties["IndexName"], properties["Index"])
        return str(properties["IndexName"])

    respond(event, present, act)


def _require_same_body(event: Mapping[str, Any]) -> None:
    old, new = event.get("OldResourceProperties", {}), event["ResourceProperties"]
    if old.get("IndexName") == new["IndexName"] and old["Index"] != new["Index"]:
        raise ValueError("an index cannot change in place: give the new mapping another IndexName")


def _create(store: SignedHttp, index: str, body: str) -> None:
    try:
        store.request("PUT", f"/{index}", body)
    except StoreError as error:
        if error.kind != "resource_already_exists_exception":  # made by an earlier try
            raise


def _delete(store: SignedHttp, index: str) -> None:
    try:
        store.request("DELETE", f"/{index}")
    except StoreError as error:
        if error.status != 404:
            raise
