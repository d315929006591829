"""Signed HTTP to a knowledge store, with botocore's signer and urllib3, both in the Lambda runtime.

A client library would do the same, but three kinds of request do not repay its import: on the
development machine it adds 230 ms to the 570 ms of a cold boto3 with two clients, and nine
packages to the bundle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from rag.errors import Unavailable
from rag.stores.store import refusal

_CONNECT_TIMEOUT_S = 2
# The first request starts a serverless collection, which needs 10 to 30 s.
_WAKING_S = 15
_WAITING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class SignedHttp:
    """One endpoint: a URL, or a host name without scheme.

    `service` is the name that requests are signed for, such as `aoss`.
    """

    endpoint: str
    service: str
    timeout_s: float

    def request(
        self,
        method: str,
        path: str,
        body: str = "",
        *,
        lines: bool = False,
        seconds: float | None = None,
    ) -> Any:
        """Send one request and return the parsed answer; `lines` marks an NDJSON body.

        `seconds` is how long to wait for the answer, instead of `timeout_s`.

        Raises `Unavailable` when the store sleeps, is overloaded or cannot be reached, and
        `StoreError` when it refuses.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError, ProtocolError

        url = self.endpoint if "://" in self.endpoint else f"https://{self.endpoint}"
        url = url.rstrip("/") + path
        headers = self._sign(method, url, body, "x-ndjson" if lines else "json")
        send = partial(
            _pool().request,
            method,
            url,
            body=body.encode(),
            headers=headers,
            timeout=Timeout(connect=_CONNECT_TIMEOUT_S, read=seconds or self.timeout_s),
        )
        try:
            try:
                response = send()
            except ProtocolError:  # an idle connection was closed; every request is idempotent
                response = send()
        except HTTPError as error:
            raise Unavailable(
                f"knowledge store: {type(error).__name__}", retry_after_s=_WAKING_S
            ) from error
        if response.status in _WAITING:
            raise Unavailable(f"knowledge store: status {response.status}", retry_after_s=_WAKING_S)
        if response.status >= 400:
            raise refusal(response.status, _kind(response))
        return json.loads(response.data or b"{}")

    def _sign(self, method: str, url: str, body: str, media: str) -> dict[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        session = _session()
        request = AWSRequest(method, url, {"Content-Type": f"application/{media}"}, body.encode())
        # OpenSearch Serverless refuses a signature without this header.
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body.encode()).hexdigest()
        credentials = session.get_credentials().get_frozen_credentials()
        SigV4Auth(credentials, self.service, session.region_name).add_auth(request)
        return dict(request.headers)


@cache
def _session() -> Any:
    import boto3

    return boto3.Session()


@cache
def _pool() -> Any:
    import urllib3

    return urllib3.PoolManager(retries=False)


def _kind(response: Any) -> str:
    """Return why a request was refused: AWS services use a header, OpenSearch the body."""
    try:
        return str(
            response.headers.get("x-amzn-errortype") or json.loads(response.data)["error"]["type"]
        )
    except (KeyError, TypeError, ValueError):
        return "no reason given"
