"""CloudFormation custom resource: the index of a managed OpenSearch domain.

Properties: `Endpoint`, `IndexName`, and `Index`, the body as a JSON string. A mapping cannot be
changed in place, so another body needs another name: CloudFormation then makes the new index
first and deletes the old one afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rag.stores.signed import SignedHttp
from rag.stores.store import StoreError
from rag.telemetry import logger

_TIMEOUT_S = 30


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Make or delete the index and report to CloudFormation's response URL."""
    properties = event["ResourceProperties"]
    physical_id = event.get("PhysicalResourceId", properties["IndexName"])
    try:
        store = SignedHttp(properties["Endpoint"], "es", _TIMEOUT_S)
        if event["RequestType"] == "Delete":
            _delete(store, physical_id)
        else:
            _require_same_body(event)
            _create(store, properties["IndexName"], properties["Index"])
            physical_id = properties["IndexName"]
        outcome = {"Status": "SUCCESS"}
    except Exception as error:  # without a report CloudFormation waits for an hour
        logger.exception("failed")
        outcome = {"Status": "FAILED", "Reason": f"{type(error).__name__}: {error}"[:1000]}
    _report(event, {**outcome, "PhysicalResourceId": physical_id})


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


def _report(event: Mapping[str, Any], outcome: Mapping[str, str]) -> None:
    echoed = ("StackId", "RequestId", "LogicalResourceId")
    _put(event["ResponseURL"], json.dumps({**outcome, **{name: event[name] for name in echoed}}))


def _put(url: str, body: str) -> None:
    import urllib3

    # S3 signed the URL for an empty content type.
    urllib3.PoolManager().request("PUT", url, body=body, headers={"Content-Type": ""})
