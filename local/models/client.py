"""JSON over HTTP, to a server with a generator."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any


def post(
    url: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    through_proxy: bool = True,
) -> Any:
    """Send an object and return the response. Raises urllib's and json's errors.

    `through_proxy` uses the environment's proxy settings, which must not be used for loopback.
    """
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    proxies = urllib.request.ProxyHandler(None if through_proxy else {})
    opener = urllib.request.build_opener(proxies)
    with opener.open(request, timeout=timeout_s) as response:
        return json.load(response)
