"""What a function that stands behind a CloudFormation custom resource reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rag.telemetry import logger


def respond(event: Mapping[str, Any], physical_id: str, act: Callable[[], str]) -> None:
    """Do what CloudFormation asks for and report to its response URL, also that it failed.

    `act` returns the physical id from then on; `physical_id` is reported if it fails.
    """
    try:
        outcome = {"Status": "SUCCESS", "PhysicalResourceId": act()}
    except Exception as error:  # without a report CloudFormation waits for an hour
        logger.exception("failed")
        reason = f"{type(error).__name__}: {error}"[:1000]
        outcome = {"Status": "FAILED", "Reason": reason, "PhysicalResourceId": physical_id}
    echoed = ("StackId", "RequestId", "LogicalResourceId")
    put(event["ResponseURL"], json.dumps({**outcome, **{name: event[name] for name in echoed}}))


def put(url: str, body: str) -> None:
    """Send the report."""
    import urllib3

    # S3 signed the URL for an empty content type.
    urllib3.PoolManager().request("PUT", url, body=body, headers={"Content-Type": ""})
