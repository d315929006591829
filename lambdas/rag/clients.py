"""AWS clients, made at first use, and their errors in the words of the domain.

Importing boto3 takes longer than everything else a handler imports together, and not every call
comes to need it: one with a bad request, for instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from rag.errors import DeadlineExceeded, Throttled, Unavailable

_THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


@cache
def client(service: str, *, read_timeout_s: float, attempts: int, connections: int = 10) -> Any:
    """Return a client that tries `attempts` times in all, each with `read_timeout_s` to answer."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        config=Config(
            connect_timeout=2,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=connections,
        ),
    )


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn botocore's errors into `Throttled`, `Unavailable` and `DeadlineExceeded`.

    What cannot pass by waiting (access denied, a bad request) stays as it is: a bug or a wrong
    deployment, not weather.
    """
    from botocore.exceptions import (
        ClientError,
        ConnectionError,
        HTTPClientError,
        ReadTimeoutError,
    )

    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _THROTTLED:
            raise Throttled(f"{name}: {code}") from error
        if code == "ModelTimeoutException":
            raise DeadlineExceeded(f"{name}: {code}") from error
        if status >= 500 or code in ("ModelNotReadyException", "ServiceUnavailableException"):
            raise Unavailable(f"{name}: {code}") from error
        raise
    except ReadTimeoutError as error:
        raise DeadlineExceeded(f"{name}: no answer in time") from error
    except (ConnectionError, HTTPClientError) as error:
        raise Unavailable(f"{name}: {type(error).__name__}") from error
